"""Runs a server of databases or caches as a child process, and knows when it answers."""

from __future__ import annotations

import re
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import tenacity

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.processes import end

if TYPE_CHECKING:
    import subprocess

    from tools.localcloud.servers.binaries import Binaries

START_SECONDS: Final = 30  # 0.2 is usual; after a crash PostgreSQL first replays its log, and Valkey loads a snapshot
STOP_SECONDS: Final = 10  # 0.05 is usual
POLL_SECONDS: Final = 0.01


class Server(ABC):
    """A server whose data is in the folder `data` of the working directory."""

    stop_signal: ClassVar[int] = signal.SIGTERM
    """Ends it at once, but with its data written."""
    not_ready: ClassVar[tuple[type[Exception], ...]]
    """What `ask` raises while it does not answer."""

    def __init__(self, binaries: Binaries) -> None:
        self._binaries = binaries
        self._data = Path("data").absolute()
        self._log = Path("server.log").absolute()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def ask(self) -> None:
        """Ask the server for any answer."""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def await_answer(self) -> None:
        """Wait until the server answers.

        Raises:
            LocalCloudError: it has ended, or does not answer in time.
        """
        waiting = tenacity.Retrying(
            wait=tenacity.wait_fixed(POLL_SECONDS),
            stop=tenacity.stop_after_delay(START_SECONDS),
            retry=tenacity.retry_if_exception(lambda error: not isinstance(error, LocalCloudError)),
            reraise=True,
        )
        try:
            waiting(self._require_answer)
        except self.not_ready as error:
            self.stop()
            raise LocalCloudError(f"{self._binaries} does not answer: {error}") from None

    def wait(self) -> int:
        """Wait until the server ends, and return its exit code."""
        return self._process.wait() if self._process else 0

    def stop(self) -> None:
        """Stop the server; kill it if that takes longer than `STOP_SECONDS`."""
        if self._process is not None:
            end(self._process, STOP_SECONDS, self.stop_signal)

    def _require_answer(self) -> None:
        if not self.running:
            said = reason(self._log.read_text("utf-8", "replace"))
            raise LocalCloudError(f"{self._binaries} does not start: {said}")
        self.ask()


def reason(text: str) -> str:
    """Return why a program ended: the last line that PostgreSQL or initdb mark as an error, else the last of all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line for line in lines if re.search(r"\b(FATAL|PANIC|error):", line)]
    return [*lines, *marked][-1] if lines else "it says nothing"
