"""Builds the functions' zip: the package `app` and, beside it, the pure-Python libraries that it needs.

The libraries are those of .venv, which `./inv` installs from requirements.txt by their hashes. Every build has the
same bytes: entries are sorted, have one date and one mode, and are not compressed, since zlib's output depends on its
version (zlib-ng, which some systems have in its place, compresses otherwise).
"""

import hashlib
from importlib.metadata import distribution
from pathlib import Path
from tempfile import NamedTemporaryFile
from zipfile import BadZipFile, ZipFile, ZipInfo

LIBRARIES = ("asn1crypto", "fastjsonschema", "pg8000", "python-dateutil", "redis", "scramp", "six")
"""fastjsonschema, pg8000, redis and what these need. Lambda's runtime has boto3 and botocore."""

APP = Path(__file__).with_name("app")
BUILD = Path(__file__).with_name(".build")

KINDS = frozenset({".json", ".pem", ".py", ".sql"})
"""The suffixes of the app's files; an editor's and Python's own stay out."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip can state."""


def build(folder: Path = BUILD) -> Path:
    """Return the zip, made anew only if its contents changed."""
    contents = _contents()
    path = folder / "functions.zip"
    fingerprint = _fingerprint(contents)
    if not path.exists() or _comment(path) != fingerprint:
        _write(path, contents, fingerprint)
    return path


def _contents() -> dict[str, bytes]:
    """Return the contents of every file by its name in the zip, sorted by name."""
    files = {path.relative_to(APP.parent).as_posix(): path for path in APP.rglob("*") if path.suffix in KINDS}
    for library in LIBRARIES:
        for file in distribution(library).files or ():
            if _belongs(file.parts, file.suffix):
                files[file.as_posix()] = Path(str(file.locate()))
    return {name: files[name].read_bytes() for name in sorted(files)}


def _belongs(parts: tuple[str, ...], suffix: str) -> bool:
    """Return whether a library's file is its own, and not the installer's, bytecode or a command in bin/.

    METADATA is what `importlib.metadata` reads: scramp asks for its own version.
    """
    if parts[0].endswith(".dist-info"):
        return parts[-1] == "METADATA"
    return parts[0] != ".." and suffix != ".pyc"


def _fingerprint(contents: dict[str, bytes]) -> bytes:
    sums = "".join(f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in contents.items())
    return hashlib.sha256(sums.encode()).hexdigest().encode()


def _comment(path: Path) -> bytes:
    try:
        with ZipFile(path) as archive:
            return archive.comment
    except BadZipFile:
        return b""


def _write(path: Path, contents: dict[str, bytes], fingerprint: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as file, ZipFile(file, "w") as archive:
        for name, data in contents.items():
            entry = ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, on every system
            entry.external_attr = 0o100644 << 16  # Lambda reads it as another user
            archive.writestr(entry, data)
        archive.comment = fingerprint
    Path(file.name).replace(path)
