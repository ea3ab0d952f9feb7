import time

import pytest

from projects.processing.app.errors import DeadlineError, UnavailableError
from projects.processing.app.patience import limited, unlimited, wait_out


def spin(seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        pass


def test_processing_that_hangs_is_interrupted() -> None:
    with pytest.raises(DeadlineError, match=r"longer than 0\.05 s"), limited(0.05):
        spin(10)


def test_a_limit_ends_with_its_block() -> None:
    with limited(0.05):
        pass
    spin(0.1)


def test_the_time_of_a_store_does_not_count() -> None:
    with limited(0.2):
        with unlimited(), unlimited():
            spin(0.4)
        spin(0.01)


def test_processing_is_limited_again_after_a_store() -> None:
    def work() -> None:
        with unlimited():
            spin(0.01)
        spin(10)

    with pytest.raises(DeadlineError), limited(0.1):
        work()


def test_an_outage_is_waited_out() -> None:
    outages = iter([UnavailableError("away"), UnavailableError("still")])
    reported: list[str] = []

    def work() -> str:
        if outage := next(outages, None):
            raise outage
        return "done"

    assert wait_out(work, 10, on_outage=lambda outage: reported.append(str(outage)), pause=0) == "done"
    assert reported == ["away", "still"]


def test_an_outage_that_lasts_is_raised() -> None:
    def work() -> None:
        raise UnavailableError("away")

    began = time.monotonic()
    with pytest.raises(UnavailableError):
        wait_out(work, 0.2, on_outage=lambda _: None, pause=0.05)
    assert 0.1 < time.monotonic() - began < 5
