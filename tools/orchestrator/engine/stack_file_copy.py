"""Gives the engine a copy of a stack file and takes back only what a person has to commit.

If a file does not say how secrets are encrypted, every command that opens them adds it, even a preview, and rewrites
the whole file: merges and keys that the engine does not know are lost, and numbers become text.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

KEY_LINES = re.compile(rb"^(secretsprovider|encryptedkey|encryptionsalt):.*\n?", re.MULTILINE)
"""The lines that say how a stack's secrets are encrypted. The engine folds none. The state says the same."""


@dataclass(frozen=True)
class StackFileCopy:
    """A copy of a stack file, in a project of its own."""

    original: Path
    project: Path
    """A folder with the copy and the project's `Pulumi.yaml`."""

    @property
    def path(self) -> Path:
        return self.project / self.original.name

    def take_encryption_keys(self) -> bool:
        """Append to the original the keys that the engine added to the copy; return whether it did."""
        own, written = _key_lines(self.original), _key_lines(self.path)
        added = b"".join(line for key, line in written.items() if key not in own)
        if added:
            text = self.original.read_bytes()
            newline = b"\n" if text and not text.endswith(b"\n") else b""
            self.original.write_bytes(text + newline + added)
        return bool(added)


@contextmanager
def stack_file_copy(original: Path) -> Iterator[StackFileCopy]:
    """Yield a copy of a stack file, which is deleted afterwards."""
    with TemporaryDirectory() as folder:
        project = Path(folder) / original.parent.name
        project.mkdir()
        for file in (original, original.with_name("Pulumi.yaml")):
            if file.exists():
                shutil.copyfile(file, project / file.name)
        yield StackFileCopy(original, project)


def without_keys(text: bytes) -> bytes:
    """Return a stack file without the encryption keys, which change nothing that a layer asks for."""
    return KEY_LINES.sub(b"", text)


def _key_lines(path: Path) -> dict[bytes, bytes]:
    """Return the lines with encryption keys by key; none if the file does not exist, as that of a removed layer."""
    return {found[1]: found[0] for found in KEY_LINES.finditer(path.read_bytes())} if path.exists() else {}
