"""What is installed, what runs, and where the local cloud differs from AWS."""

import platform
import shutil
from collections.abc import Sequence
from importlib.metadata import version

from rich.table import Table

from tools.engine.install import Engine
from tools.localcloud.gaps import completed, gaps
from tools.localcloud.lifecycle import PROVIDERS, LocalCloud
from tools.localcloud.servers import binaries
from tools.orchestrator.render.table import table


def installation(engine: Engine, cloud: LocalCloud) -> Table:
    """Return Python, engine, packages and local cloud, a row each."""
    running = cloud.status()
    rows = [
        ("python", platform.python_version()),
        ("engine", f"{engine.version} {engine.origin} ({engine.folder})"),
        *((package, version(package)) for package in ("pulumi", "pulumi-aws", "ministack")),
        ("go", shutil.which("go") or "not on PATH (only needed to build the engine)"),
        (
            "local cloud",
            f"at {running.endpoint} since {running.started} (process {running.pid})" if running else "not running",
        ),
        ("its provider", f"{cloud.provider}: {PROVIDERS[cloud.provider]}"),
        *((name, _server(name, candidates)) for name, candidates in binaries.SERVERS.items()),
        *(("its server", str(server)) for server in cloud.servers()),
    ]
    return table("", "value", rows=rows, fold=["value"], show_header=False)


def _server(name: str, candidates: Sequence[binaries.Find]) -> str:
    """Return which program stands for a server of AWS, or how to get one."""
    if binaries.mode() == binaries.OFF:
        return f"none, because {binaries.MODE} is {binaries.OFF}"
    return str(binaries.first(candidates) or binaries.WITHOUT.format(name))


def differences() -> Table:
    """Return what the local cloud's emulator loses or lacks, with the reason."""
    headings = ("resource: property", "reason")
    rows = [(gap.subject, gap.reason) for gap in gaps()]
    return table(*headings, rows=rows, fold=headings, title="what the local cloud ignores or lacks")


def completions() -> Table:
    """Return what the local cloud adds to the APIs of its emulator."""
    headings = ("service", "what")
    return table(*headings, rows=completed(), fold=["what"], title="what the local cloud adds to its emulator")
