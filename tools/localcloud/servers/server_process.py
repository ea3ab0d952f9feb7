"""Starts the host of a server as a child process and calls it.

If a server or its host is killed, the others go on, and nobody starts it again but who asks for that.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

import psutil

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.processes import end
from tools.localcloud.servers import owner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.localcloud.servers.host import Endpoint, Start

    Refusal = Callable[[str, str], str | None]
    """Returns why a user may not log in with a token; None if it may."""

START_SECONDS: Final = 60  # less than one is usual
CALL_SECONDS: Final = 30
STOP_SECONDS: Final = 25  # the host gives the server ten
PROGRAM: Final = "from tools.localcloud.servers import host; host.main()"


class ServerProcess:
    """A running server with its proxy."""

    def __init__(self, folder: Path, start: Start, refusal: Refusal) -> None:
        """Start the server in a folder of its own.

        Raises:
            LocalCloudError: it does not start.
        """
        self.folder = folder
        self.binaries = start.binaries
        self._calls, calls = _pair()
        self._questions, questions = _pair()
        self._calling = threading.Lock()
        self._cpu = time.monotonic(), 0.0
        """A time, and the CPU time in seconds that the server had used then."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(calls.fileno()), str(questions.fileno())],
            stdin=subprocess.DEVNULL, stdout=sys.stderr, cwd=folder, pass_fds=(calls.fileno(), questions.fileno()),
            start_new_session=True,
        )  # fmt: skip
        calls.close()
        questions.close()
        threading.Thread(target=self._answer, args=(refusal,), daemon=True).start()
        try:
            self.endpoint: Endpoint = self._call(start, START_SECONDS)
        except LocalCloudError:
            self.stop()
            raise

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def cpu_percent(self) -> float:
        """Return how much of the machine's CPUs the server has used since this was asked last, with its host.

        Raises:
            psutil.Error: it ends just now.
        """
        host, (before, used_before) = psutil.Process(self._process.pid), self._cpu
        times = [each.cpu_times() for each in (host, *host.children(recursive=True))]
        used = sum(each.user + each.system + each.children_user + each.children_system for each in times)
        self._cpu = time.monotonic(), used
        return 100 * max(0.0, used - used_before) / (self._cpu[0] - before) / (psutil.cpu_count() or 1)

    def call(self, *words: Any) -> None:
        """Have the host do something: set a password of PostgreSQL, or the AUTH tokens of Valkey.

        Raises:
            LocalCloudError: it fails, or the host no longer runs.
        """
        self._call(words, CALL_SECONDS)

    def stop(self) -> None:
        """Stop the server, with its data saved, and its host."""
        end(self._process, STOP_SECONDS)
        owner.stop_all(self.folder)  # the server of a host that was killed

    def _call(self, words: object, seconds: float) -> Any:
        with self._calling:
            try:
                self._calls.send(words)
                if not self._calls.poll(seconds):
                    raise LocalCloudError(f"{self.binaries} does not answer within {seconds:g} s")
                answer = self._calls.recv()
            except (EOFError, OSError):
                raise LocalCloudError(f"{self.binaries} no longer runs") from None
        if isinstance(answer, LocalCloudError):
            raise answer
        return answer

    def _answer(self, refusal: Refusal) -> None:
        """Answer the host's questions about tokens until it ends."""
        try:
            while True:
                self._questions.send(refusal(*self._questions.recv()))
        except (EOFError, OSError):
            pass


def _pair() -> tuple[Connection, Connection]:
    ours, theirs = socket.socketpair()
    os.set_inheritable(theirs.fileno(), True)
    return Connection(ours.detach()), Connection(theirs.detach())
