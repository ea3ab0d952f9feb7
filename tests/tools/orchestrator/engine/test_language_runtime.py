import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.orchestrator.engine.language_runtime import quiet_runner


async def breaks_when_cancelled() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise asyncio.InvalidStateError from None


def test_what_was_under_way_when_a_program_broke_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        under_way.append(asyncio.ensure_future(breaks_when_cancelled()))
        await asyncio.sleep(0)
        raise ZeroDivisionError

    def run() -> None:
        with quiet_runner(1) as runner:
            runner.run(program())

    under_way: list[asyncio.Future[None]] = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        pool.submit(run).result()  # a program has a thread of its own, and this one keeps its event loop
    assert under_way[0].done()
    assert caplog.records == []
