"""The Pulumi engine: found on PATH, in the cache, as the official release, or built from the Go module proxy.

The engine built from modules is two programs: the CLI, and the Python language host of the last SDK version whose
module holds it. `modules/` has a go.mod for each, because the two need different SDK versions.
"""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, replace
from importlib.metadata import version as installed_version
from pathlib import Path

from semver import VersionInfo

from tools.engine import golang
from tools.engine.golang import OnProgress, cache

SDK_VERSION = VersionInfo.parse(installed_version("pulumi"))
"""An engine has to be at least as new as the SDK of the programs."""
BUILT_VERSION = "v3.274.1"
RELEASES = "https://get.pulumi.com"
DOWNLOAD = """\
import sys
from pulumi.automation import PulumiCommand
from semver import VersionInfo
PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
"""
"""Downloads a release, in a process of its own that can be ended: the SDK's own function waits for ever."""
RELEASES_TIMEOUT = 5
"""Seconds to wait for the official downloads: where that network does not answer, building must start soon."""

CLI = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
LANGUAGE_HOST = "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"


@dataclass(frozen=True)
class Engine:
    """A Pulumi CLI that can run Python programs."""

    folder: Path
    """Holds `pulumi` and its Python language host; goes first on PATH."""
    version: str
    origin: str

    @property
    def binary(self) -> Path:
        return self.folder / "pulumi"

    def path(self) -> str:
        """Return the engine's PATH: the virtualenv comes first, because a language host takes `python` from it."""
        return os.pathsep.join(
            [str(Path(sys.executable).parent), str(self.folder), os.environ.get("PATH", os.defpath)]
        )


def find_engine(on_progress: OnProgress) -> Engine:
    """Return the engine to use; install one if there is none. `on_progress` receives a line for each long step.

    Raises:
        EngineError: there is none, and none can be installed.
    """
    built = cache() / f"engine-{BUILT_VERSION}"
    release = cache() / f"pulumi-{SDK_VERSION}"
    found = _on_path() or _installed(release / "bin", "official release") or _installed(built, "built from modules")
    return found or _download(release, on_progress) or _build(built, on_progress)


def _version(engine: Engine) -> VersionInfo | None:
    """Return what the engine answers if it is called as it will be; None if it does not answer."""
    call, variables = [str(engine.binary), "version"], {**os.environ, "PATH": engine.path()}
    try:
        said = subprocess.run(
            call, env=variables, capture_output=True, encoding="utf-8", check=True, timeout=golang.ASK_SECONDS
        ).stdout
        return VersionInfo.parse(said.strip().removeprefix("v"))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _on_path() -> Engine | None:
    binary = shutil.which("pulumi")
    if not binary or not shutil.which("pulumi-language-python"):
        return None
    # A link is called as it is: behind it may be a program of a version manager that goes by the name.
    engine = Engine(Path(binary).absolute().parent, "", "on PATH")
    version = _version(engine)
    return replace(engine, version=f"v{version}") if version and version >= SDK_VERSION else None


def _installed(folder: Path, origin: str) -> Engine | None:
    """Return the engine in a folder of the cache; None if there is none."""
    if not (folder / "pulumi").exists():
        return None
    version = re.search(r"\d+\.\d+\.\d+", str(folder))
    return Engine(folder, f"v{version.group()}" if version else "", origin)


def _download(folder: Path, on_progress: OnProgress) -> Engine | None:
    def fetch(target: Path) -> None:
        on_progress(f"downloading Pulumi {SDK_VERSION} ...")
        command = [sys.executable, "-c", DOWNLOAD, str(target), str(SDK_VERSION)]
        subprocess.run(command, capture_output=True, check=True, timeout=golang.FETCH_SECONDS)

    try:
        with urllib.request.urlopen(RELEASES, timeout=RELEASES_TIMEOUT):
            pass
        return _installed(golang.installed(folder, fetch) / "bin", "official release")
    except (OSError, subprocess.SubprocessError):
        return None


def _build(folder: Path, on_progress: OnProgress) -> Engine:
    def build(target: Path) -> None:
        on_progress(
            f"no Pulumi here and no download answers: building {BUILT_VERSION} from its Go modules (once, 4 min)"
        )
        go = golang.compiler("pulumi", on_progress)
        cli_flags = f"-s -w -X {VERSION_VARIABLE}={BUILT_VERSION}"
        target.mkdir()
        golang.build(go, CLI, cli_flags, target / "pulumi", on_progress)
        golang.build(go, LANGUAGE_HOST, "-s -w", target / "pulumi-language-python", on_progress)
        _copy_launcher(go, target)
        on_progress("the engine is built and kept for every clone")

    return Engine(golang.installed(folder, build), BUILT_VERSION, "built from modules")


def _copy_launcher(go: str, folder: Path) -> None:
    """Copy the language host's launcher, an executable script of the same module, to its folder."""
    module = "github.com/pulumi/pulumi/sdk/v3"
    command = [go, "list", "-m", "-f", "{{.Dir}}", module]
    found = subprocess.run(
        command,
        cwd=golang.MODULES / "pulumi-language-python",
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=golang.ASK_SECONDS,
    )
    launcher = folder / "pulumi-language-python-exec"
    shutil.copyfile(Path(found.stdout.strip()) / "python" / "cmd" / launcher.name, launcher)
    launcher.chmod(0o755)
