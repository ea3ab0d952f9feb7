"""Where the state lies, for what the runner reads and writes in it without the engine: a folder, or an S3 bucket."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from shared.errors import TxmonError


@dataclass(frozen=True)
class Found:
    """What was read, and which writing of it that was."""

    text: str
    version: str = ""


class Place(Protocol):
    """A file of the state, or beside it; only ever replaced whole, and conditionally on what was there."""

    def create(self, text: str) -> bool:
        """Write it if there is none; whether it was written."""

    def read(self) -> Found | None:
        """What it holds; None if there is none."""

    def replace(self, found: Found, text: str) -> bool:
        """Write it if it is still what was found; whether it was written."""

    def delete(self, found: Found) -> bool:
        """Remove it if it is still what was found; whether it was removed."""


class Store(Protocol):
    """A folder or a bucket."""

    def at(self, name: str) -> Place: ...

    def below(self, folder: str) -> Mapping[str, Place]:
        """All that is in a folder and the folders in it, by its path from there."""


@dataclass(frozen=True)
class FilePlace:
    """A file, made exclusively and at once with all that is in it."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def create(self, text: str) -> bool:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._written(text) as fresh:
            try:
                self.path.hardlink_to(fresh)
            except FileExistsError:
                return False
        return True

    def read(self) -> Found | None:
        try:
            return Found(self.path.read_text(errors="replace"))
        except FileNotFoundError:
            return None

    def replace(self, found: Found, text: str) -> bool:
        with self._alone(), self._written(text) as fresh:
            if self.read() != found:
                return False
            fresh.replace(self.path)
        return True

    def delete(self, found: Found) -> bool:
        with self._alone():
            if self.read() != found:
                return False
            self.path.unlink()
        return True

    @contextmanager
    def _written(self, text: str) -> Iterator[Path]:
        """A file beside it that holds the text, until it is linked or moved to its place."""
        fresh = self.path.with_name(f"{self.path.name}.{uuid4()}")  # containers may share numbers of processes
        try:
            fresh.write_text(text)
            yield fresh
        finally:
            fresh.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process replaces or deletes it meanwhile; the system frees the guard of one that is killed."""
        with self.path.with_name(".guard").open("a") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True)
class Folder:
    """A folder of this machine."""

    path: Path

    def at(self, name: str) -> FilePlace:
        return FilePlace(self.path / name)

    def below(self, folder: str) -> dict[str, FilePlace]:
        root = self.path / folder
        return {
            path.relative_to(root).as_posix(): FilePlace(path) for path in sorted(root.rglob("*")) if path.is_file()
        }


def store_of(backend: str) -> Store | None:
    """Where a `file:///…` or `s3://…` backend keeps the state; None for every other backend.

    Raises:
        TxmonError: the URL of a bucket cannot be used, or the folder does not exist.
    """
    url = urlsplit(backend)
    if url.scheme == "s3":
        from tools.orchestrator.state.s3_store import bucket_of  # noqa: PLC0415 (only S3 backends need the AWS SDK)

        return bucket_of(url)
    if url.scheme != "file" or url.netloc:
        return None
    folder = Path(unquote(url.path))
    if not folder.is_dir():  # else everything seems never deployed, and the first lock would make it
        raise TxmonError(f"the state backend {backend} is no folder: make it, or check PULUMI_BACKEND_URL")
    return Folder(folder)
