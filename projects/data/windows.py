"""Backup and maintenance windows, as AWS writes them in UTC: `17:00-17:30` a day, `sun:18:00-sun:19:00` a week."""

import re

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60
WEEK = 7 * DAY

_CLOCK = r"([01]\d|2[0-3]):([0-5]\d)"
_DAILY = re.compile(rf"{_CLOCK}-{_CLOCK}")
_WEEKLY = re.compile(rf"({'|'.join(DAYS)}):{_CLOCK}-({'|'.join(DAYS)}):{_CLOCK}")


def minutes(window: str) -> frozenset[int]:
    """Return the minutes of the week that a window covers, counted from Monday 00:00.

    Raises:
        ValueError: the window does not have AWS's format.
    """
    if daily := _DAILY.fullmatch(window):
        start, end = (int(hour) * 60 + int(minute) for hour, minute in (daily.groups()[:2], daily.groups()[2:]))
        length = (end - start) % DAY
        starts = [day * DAY + start for day in range(7)]
    elif weekly := _WEEKLY.fullmatch(window):
        start, end = (
            DAYS.index(day) * DAY + int(hour) * 60 + int(minute)
            for day, hour, minute in (weekly.groups()[:3], weekly.groups()[3:])
        )
        length = (end - start) % WEEK
        starts = [start]
    else:
        raise ValueError(f"{window!r} must be hh:mm-hh:mm, or ddd:hh:mm-ddd:hh:mm for maintenance, in UTC")
    return frozenset((start + minute) % WEEK for start in starts for minute in range(length))


def is_daily(window: str) -> bool:
    """Return whether a window is daily, as opposed to weekly."""
    return _DAILY.fullmatch(window) is not None


def length(window: str) -> int:
    """Return the minutes of one occurrence of a window."""
    return len(minutes(window)) // (7 if is_daily(window) else 1)


def overlap(one: str, other: str) -> bool:
    """Return whether two windows share a minute."""
    return bool(minutes(one) & minutes(other))
