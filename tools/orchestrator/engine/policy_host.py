"""The policy pack in a run: one process for all layers. Plain pulumi starts one for each layer, 1 s of CPU each."""

import atexit
import subprocess
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path

from tools.orchestrator.engine import children
from tools.orchestrator.engine.children import START_SECONDS
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError

_reading = threading.Lock()


@cache
def start(pack: Path) -> subprocess.Popen[str]:
    """Start the pack, once in this process.

    It ends when the last process that holds its standard input ends: this process, or an engine. Engines go on, and
    still need the pack, when this process is killed.
    """
    process = children.helper(
        [str(pack)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
    )
    atexit.register(process.kill)  # it holds nothing that has to be saved
    return process


@cache
def _port(pack: Path, seconds: float) -> str:
    """Return the port that the pack listens on; empty if it does not start. One thread at a time may call it."""
    process = start(pack)
    if process.stdout is None:
        return ""
    with children.time_limit(lambda: children.kill(process), seconds):
        return str(process.stdout.readline()).strip()


def with_pack(workspace: Workspace, *, seconds: float = START_SECONDS) -> Workspace:
    """Return the workspace in which engines use the running pack; the same workspace if the monorepo has no pack.

    Raises:
        OrchestratorError: the pack does not start.
    """
    pack = workspace.monorepo.policy_pack
    if pack is None:
        return workspace
    with _reading:
        port = _port(pack, seconds)
    if not port:
        raise OrchestratorError(
            f"the policy pack ended, or did not start within {seconds} s: "
            f"run {workspace.monorepo.display(pack)} to see why"
        )
    stdin = start(pack).stdin
    inherited = (stdin.fileno(),) if stdin else ()
    return replace(workspace.with_env(**{workspace.monorepo.variable("POLICY_PORT"): port}), inherited_fds=inherited)
