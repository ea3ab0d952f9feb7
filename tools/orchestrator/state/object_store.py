"""A state backend as a store of objects: what is read and written beside the engine, conditionally."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class StoredObject:
    """An object's text, and the version that was read."""

    text: str
    version: str


class ObjectStore(Protocol):
    """A folder or a bucket. Objects are replaced as a whole."""

    def list(self, prefix: str) -> list[str]:
        """Return the keys below the folder `prefix`, relative to it, sorted."""

    def get(self, key: str) -> StoredObject | None:
        """Return an object; None if it does not exist."""

    def put_if_absent(self, key: str, text: str) -> bool:
        """Write an object unless it exists; return whether it was written."""

    def put_if_match(self, key: str, text: str, version: str) -> bool:
        """Replace an object if it still has this version; return whether it was replaced."""

    def delete_if_match(self, key: str, version: str) -> bool:
        """Delete an object if it still has this version; return whether it was deleted."""

    def url(self, key: str) -> str:
        """Return where an object is, for messages."""
