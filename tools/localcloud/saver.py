"""Saves the emulator's state while it runs, so that a kill loses no change that somebody was told of.

It is saved a second after the last change of a resource. Until then a mark in the home says that the saved state
lacks a change that Pulumi's may have. What a stream accepts is no such change: it is in a journal before the producer
is answered.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pydantic_core import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 1.0
"""How long after the last change the state is saved: a deployment makes many at once."""
REST_SECONDS: Final = 60.0
"""How often the rest is saved, as messages and positions of mappings; and how soon after a save that failed."""
SHARE: Final = 20
"""How many times as long as the last save took the rest waits for the next: streams can hold millions of records."""
NICE: Final = 10
POLL_SECONDS: Final = 0.1
SAVE_SECONDS: Final = 120
"""How long a save may take: one that was forked while a thread held a lock waits for it in vain."""


class Journal:
    """A folder of files, a line an entry. A file has what came after the start of a process, or of a save."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self._file = self._next()

    def append(self, entry: Any) -> None:
        """Append an entry. It is in the system's memory at once, and outlives this process.

        Raises:
            OSError: the disk is full.
        """
        self._file.write(to_json(entry) + b"\n")
        self._file.flush()

    def entries(self) -> Iterator[Any]:
        """Yield all entries, the oldest first, but for one that a kill has cut off."""
        for path in self.files():
            with path.open("rb") as file:
                yield from (from_json(line) for line in file if line.endswith(b"\n"))

    def files(self) -> list[Path]:
        return sorted(self._folder.iterdir(), key=lambda path: int(path.name))

    def seal(self) -> list[Path]:
        """Begin another file, and return those that there were."""
        sealed, file = self.files(), self._file
        self._file = self._next()
        file.close()
        return sealed

    def _next(self) -> BinaryIO:
        number = max((int(path.name) for path in self.files()), default=0) + 1
        return (self._folder / str(number)).open("xb")


class Saver:
    """Saves in forked processes, each of which has a copy of the state between two changes."""

    def __init__(
        self, mark: Path, journal: Journal, save: Callable[[], bool], quiet_seconds: float = QUIET_SECONDS
    ) -> None:
        """Call `save` to save the state; it returns whether it did. `mark` is the file of the mark."""
        self._mark = mark
        self._journal = journal
        self._save = save
        self._quiet_seconds = quiet_seconds
        self._lock = threading.Lock()  # held while forking
        self._running = 0  # changes that are being made
        self._changes = self._saved_changes = 0
        self._changed = time.monotonic()
        self._touched = False
        self._next = 0.0
        self._next_rest = self._changed + REST_SECONDS
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="saver", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Save no more, once a save that runs has ended."""
        self._stopping.set()
        self._thread.join()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Have the change saved that is made meanwhile.

        Raises:
            OSError: the disk is full; the change must not be made.
        """
        with self._lock:
            self._mark.touch(0o600)
            self._running += 1
            self._changes += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                self._changed = time.monotonic()

    def touch(self) -> None:
        """Have saved, before long, what is no change of a resource."""
        self._touched = True

    def append(self, entry: Any) -> None:
        """Append an entry to the journal; the state has to have what it says already.

        Raises:
            OSError: the disk is full.
        """
        with self._lock:
            self._journal.append(entry)

    def save_last(self) -> None:
        """Save in this process, which changes nothing any more."""
        if self._save():
            self._note_saved(self._journal.files(), self._changes)

    def _watch(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            if self._is_due(time.monotonic()):
                try:
                    self._save_copy()
                except OSError as error:
                    log.error("the state is not saved: %s", error)  # noqa: TRY400 - a full disk, not the code
                    self._next = time.monotonic() + REST_SECONDS

    def _is_due(self, now: float) -> bool:
        changed = self._changes != self._saved_changes and now > self._changed + self._quiet_seconds
        return now > self._next and (changed or (self._touched and now > self._next_rest))

    def _save_copy(self) -> None:
        with self._lock:
            if self._running:
                return
            started, changes, self._touched = time.monotonic(), self._changes, False
            sealed = self._journal.seal()
            child = os.fork()
            if not child:
                self._save_and_exit()
        _pid, status = os.waitpid(child, 0)
        ended = time.monotonic()
        self._next_rest = ended + max(REST_SECONDS, SHARE * (ended - started))
        if status:
            self._next, self._touched = ended + REST_SECONDS, True
        else:
            self._note_saved(sealed, changes)

    def _save_and_exit(self) -> None:
        saved = False
        try:
            signal.alarm(SAVE_SECONDS)
            os.nice(NICE)
            saved = self._save()
        finally:
            os._exit(0 if saved else 1)

    def _note_saved(self, journal: list[Path], changes: int) -> None:
        self._saved_changes = changes
        with self._lock:
            if changes == self._changes:
                self._mark.unlink(missing_ok=True)
        for path in journal:
            path.unlink()
