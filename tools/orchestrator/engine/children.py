"""The processes that this one starts, and how each wait for one of them ends.

A first Ctrl-C asks the engine to end cleanly (SIGINT). A second one ends everything: SIGTERM, and SIGKILL after some
seconds, which also ends a process that is stopped.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import psutil

START_SECONDS = 30
"""How long a helper of the engine may take to start; a second is usual."""
KILL_SECONDS = 5
"""How long a process may take to end after SIGTERM."""

_engines: set[subprocess.Popen[Any]] = set()
_helpers: set[subprocess.Popen[Any]] = set()
"""What engines need to end cleanly, and which therefore gets no SIGINT."""


@contextmanager
def engine(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start an engine in a session of its own, so that Ctrl-C does not reach it directly, and wait for its end."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    _engines.add(process)
    try:
        with process:  # waits for it, even if following it fails
            yield process
    finally:
        _engines.discard(process)


def helper(command: list[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a process in a session of its own; it lives as long as this one."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    _helpers.add(process)
    return process


@contextmanager
def time_limit(kill: Callable[[], object], seconds: float = START_SECONDS) -> Iterator[None]:
    """Call `kill` unless the block ends in time; to kill the process that it waits for ends the wait."""
    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def interrupt() -> None:
    """Ask the running engines to end cleanly."""
    for process in tuple(_engines):
        process.send_signal(signal.SIGINT)


def force() -> None:
    """End all processes and what they have started: with SIGTERM now, with SIGKILL after some seconds.

    The interpreter waits for the thread that does the latter, so that nothing is left behind.
    """
    running = [process for process in (*_engines, *_helpers) if process.poll() is None]
    started = [child for process in running for child in _descendants(process.pid)]
    for process in running:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    threading.Thread(target=_kill, args=(running, started)).start()


def _kill(processes: Iterable[subprocess.Popen[Any]], started: Iterable[psutil.Process]) -> None:
    deadline = time.monotonic() + KILL_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        process.kill()  # does nothing if it has ended
    for child in started:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def kill(process: subprocess.Popen[Any]) -> None:
    """End a process and what it has started at once."""
    for child in _descendants(process.pid):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


class Interruption:
    """A handler of SIGINT for code that has none of its own: passes it on, then raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self._times = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._times += 1
        if self._times > 1:
            force()
        else:
            interrupt()
        signal.default_int_handler(number, frame)
