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

import yaml

ENCRYPTION_KEYS = ("secretsprovider", "encryptedkey", "encryptionsalt")
"""The keys that say how a stack's secrets are encrypted. The state says the same."""
KEY_LINES = re.compile(rf"^({'|'.join(ENCRYPTION_KEYS)}):.*\n?".encode(), re.MULTILINE)


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
        """Append to the original the keys that the engine added to the copy; return whether it did.

        An original that is not YAML, because a person is editing it, stays as it is.
        """
        try:
            own, written = _content(self.original), _content(self.path)
        except yaml.YAMLError:
            return False
        added = {key: written[key] for key in ENCRYPTION_KEYS if key in written and key not in own}
        if not added:
            return False
        text = self.original.read_text("utf-8")
        lines = text if not text or text.endswith("\n") else f"{text}\n"
        self.original.write_text(
            lines + yaml.safe_dump(added, width=10**6), "utf-8"
        )  # wide: the engine folds no line
        return True


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


def _content(path: Path) -> dict[str, object]:
    content = yaml.safe_load(path.read_text("utf-8")) if path.exists() else None
    return content if isinstance(content, dict) else {}
