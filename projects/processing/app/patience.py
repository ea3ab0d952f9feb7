"""How long to wait: for a store that is away, for processing that does not end, and with an idle connection."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from .errors import DeadlineError, UnavailableError

PAUSE_SECONDS = 1
"""Between two attempts to reach a store."""

REUSE_SECONDS = 60
"""How long a connection may have been idle to be used again: Lambda drops idle ones without a word (Lambda Developer
Guide, "Best practices for working with Lambda functions")."""

T = TypeVar("T")


class Idleness:
    """Knows when a connection was used last."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._used_at = 0.0

    def too_long(self) -> bool:
        """Return whether the last use was longer ago than the seconds, and note this one."""
        before, self._used_at = self._used_at, time.time()
        return self._used_at - before > self._seconds


def wait_out(
    work: Callable[[], T],
    seconds: float,
    *,
    on_outage: Callable[[UnavailableError], None],
    pause: float = PAUSE_SECONDS,
) -> T:
    """Return what `work` returns, and do it again while a store is away.

    Raises:
        UnavailableError: the store is still away after `seconds`.
    """
    ends = time.monotonic() + seconds
    while True:
        try:
            return work()
        except UnavailableError as outage:
            on_outage(outage)
            if time.monotonic() + pause > ends:
                raise
            time.sleep(pause)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Interrupt the block when it has run for some seconds, without the time in `unlimited`.

    Lambda calls handlers in the main thread, which is the only one that may handle signals.

    Raises:
        DeadlineError: the block runs longer.
    """

    def stop(*_: object) -> None:
        raise DeadlineError(f"processing took longer than {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextmanager
def unlimited() -> Iterator[None]:
    """Stop the clock of `limited` in the block: a store has limits of its own, and is away when it exceeds them."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
