"""The processes that this one starts end when they are asked to, or are made to."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tools.orchestrator.engine import children
from tools.orchestrator.engine.children import engine, force, helper, interrupt, time_limit

SLEEP = ["sleep", "30"]


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_interruption_reaches_engines_and_no_helper() -> None:
    pack = helper(SLEEP)
    with engine(SLEEP) as process:
        interrupt()
    assert process.returncode == -signal.SIGINT
    assert pack.poll() is None
    force()
    assert pack.wait(10) == -signal.SIGTERM


@pytest.mark.usefixtures("soon_killed")
def test_a_stopped_process_and_what_it_started_are_killed_after_their_time(tmp_path: Path) -> None:
    script = f"setsid sleep 30 & echo $! > {tmp_path}/child; kill -STOP $$"
    with engine(["sh", "-c", script]) as process:
        eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
        started = psutil.Process(int((tmp_path / "child").read_text()))
        force()
    assert process.returncode == -signal.SIGKILL
    eventually(lambda: not started.is_running() or started.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.usefixtures("soon_killed")
def test_two_signals_end_a_wait_for_a_stopped_process() -> None:
    handler = children.Interruption()
    with engine(["sh", "-c", "kill -STOP $$"]) as process:
        eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                handler(signal.SIGINT, None)
    assert process.returncode == -signal.SIGKILL


def test_a_wait_for_a_start_has_a_time_limit() -> None:
    process = helper(["sh", "-c", "kill -STOP $$; echo up"], stdout=subprocess.PIPE)
    with time_limit(lambda: children.kill(process), 0.3):
        assert process.stdout.read() == b""
    assert process.wait(10) == -signal.SIGKILL
