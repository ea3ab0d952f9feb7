"""State in a folder of this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import filelock

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.object_store import StoredObject

GUARD_SECONDS = 10
"""How long to wait for another process that replaces or deletes the same file, which takes a millisecond."""


@dataclass(frozen=True)
class FolderStore:
    """Files in a folder. A file's version is its text."""

    path: Path
    guard_seconds: float = GUARD_SECONDS

    def list(self, prefix: str) -> list[str]:
        root = self.path / prefix
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    def url(self, key: str) -> str:
        return str(self.path / key)

    def get(self, key: str) -> StoredObject | None:
        try:
            text = (self.path / key).read_text(errors="replace")
        except FileNotFoundError:
            return None
        return StoredObject(text, version=text)

    def put_if_absent(self, key: str, text: str) -> bool:
        path = self.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path, text) as new:
            try:
                path.hardlink_to(new)
            except FileExistsError:
                return False
        return True

    def put_if_match(self, key: str, text: str, version: str) -> bool:
        path = self.path / key
        with _exclusive(path, self.guard_seconds), _temporary(path, text) as new:
            if self._version(key) != version:
                return False
            new.replace(path)
        return True

    def delete_if_match(self, key: str, version: str) -> bool:
        path = self.path / key
        with _exclusive(path, self.guard_seconds):
            if self._version(key) != version:
                return False
            path.unlink()
        return True

    def _version(self, key: str) -> str | None:
        found = self.get(key)
        return found.version if found else None


@contextmanager
def _temporary(path: Path, text: str) -> Iterator[Path]:
    """Yield a file beside `path` that holds the text, until it is linked or moved there."""
    temporary = path.with_name(f"{path.name}.{uuid4()}")  # process numbers may repeat in containers
    try:
        temporary.write_text(text, "utf-8")
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _exclusive(path: Path, seconds: float) -> Iterator[None]:
    """Keep other processes from replacing or deleting the file; the system frees a killed process's guard.

    Raises:
        OrchestratorError: another process holds the guard far longer than it needs, so something has stopped it.
    """
    try:
        held = filelock.FileLock(path.with_name(".guard"), timeout=seconds).acquire()
    except filelock.Timeout:
        raise OrchestratorError(
            f"another process has been changing {path} for {seconds} s: end it, and run this again"
        ) from None
    with held:
        yield
