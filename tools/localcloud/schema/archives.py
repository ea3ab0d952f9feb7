"""Reads the archives that a program gives, which the engine describes by a path and a hash of the content."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools.localcloud.errors import LocalCloudError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.localcloud.schema.values import Props

ZIP_START: Final = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip can have: the bytes of an archive do not depend on when its files were written."""


def content_hash(archive: Props) -> str | None:
    """Return what identifies an archive's content, wherever it lies."""
    found: str | None = archive.get("hash")
    return found


def zipped(archive: Props, folder: Path) -> bytes:
    """Return an archive as a zip. A file is taken as it is; paths are relative to `folder`.

    Raises:
        LocalCloudError: it cannot be read.
    """
    try:
        path: Path = folder / archive.get("path", "")
        if path.is_file():
            return path.read_bytes()
        members = dict(_members(archive, folder))
    except OSError as error:
        raise LocalCloudError(f"{error.filename} cannot be read: {error.strerror}") from None
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, ZIP_START)
            entry.external_attr = 0o644 << 16
            made.writestr(entry, members[name], zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _members(item: Props, folder: Path, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents in an archive or an asset."""
    if "assets" in item:
        for name, inner in item["assets"].items():
            yield from _members(inner, folder, f"{prefix}/{name}" if prefix else name)
    elif "text" in item:
        yield prefix, item["text"].encode()
    elif "path" not in item:
        raise LocalCloudError("the local cloud takes archives of files, folders and texts only, not of addresses")
    elif (path := folder / item["path"]).is_dir():
        for each in (each for each in path.rglob("*") if each.is_file()):
            yield str(Path(prefix, each.relative_to(path))), each.read_bytes()
    else:
        yield prefix, path.read_bytes()
