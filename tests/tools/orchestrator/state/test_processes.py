"""A process is known by its start, whatever happens to the clock."""

import os
import shutil
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tools.orchestrator.state.processes import is_gone, start_of

HOST = socket.gethostname()
LONG_AGO = datetime.now(UTC) - timedelta(days=1)
"""The time of a lock that a process of now took, if the clock has been set forward by a day since then."""

pytestmark = pytest.mark.skipif(not start_of(os.getpid()), reason="this system does not say when a process began")


def test_a_clock_that_is_set_forward_ends_no_process() -> None:
    assert not is_gone(HOST, os.getpid(), LONG_AGO, start_of(os.getpid()))


def test_another_process_with_the_number_is_not_the_owner() -> None:
    assert is_gone(HOST, os.getpid(), datetime.now(UTC), "another boot:1")


@pytest.mark.parametrize(("name", "gone"), [("pulumi", False), ("other", True)])
def test_an_engine_with_the_number_may_be_the_owner(tmp_path: Path, name: str, gone: bool) -> None:
    program = tmp_path / name
    shutil.copy2(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "60"]) as process:
        try:
            assert is_gone(HOST, process.pid, LONG_AGO) == gone
        finally:
            process.kill()
