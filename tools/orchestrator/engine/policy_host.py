"""The policy pack in a run: one process for all layers, where plain pulumi starts one for each."""

import atexit
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from shared.errors import TxmonError
from tools.orchestrator.engine.workspace import ROOT, Workspace

PACK = "shared/policies/pack"
FROM_LAYER = f"../../{PACK}"
"""As the engine finds it from a layer's folder."""

MANDATORY = "mandatory"
"""The level of a violation that stops the layer; all others are warnings."""


@cache
def start() -> subprocess.Popen[str]:
    """Start the pack, once in this process.

    It ends when nobody holds its standard input any more: this process, and the engines, which go on when this
    process is killed and still need it.
    """
    process = subprocess.Popen(
        [ROOT / PACK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the runner, and the engines still need the pack to end cleanly
    )
    atexit.register(process.terminate)
    return process


_reading = threading.Lock()


@cache
def _port() -> str:
    """Where the pack listens; waits until it does. To be called by one thread at a time."""
    printed = start().stdout
    return printed.readline().strip() if printed else ""


def with_pack(workspace: Workspace) -> Workspace:
    """The workspace, with a pack running beside it that every engine started there takes for its own.

    Raises:
        TxmonError: the pack does not start.
    """
    with _reading:
        port = _port()
    if not port:
        raise TxmonError(f"the policy pack does not start: run {PACK} to see why")
    stdin = start().stdin
    held = (stdin.fileno(),) if stdin else ()
    return replace(workspace.having(TXMON_POLICY_PORT=port), held=held)


def sentence(event: Mapping[str, Any]) -> str:
    """The resource, the rule and what to change, of the engine's event about a violation."""
    *_, types, name = event["resourceUrn"].split("::")
    _, _, violation = event["message"].strip().partition("\n")  # the policy's own description comes first
    return f"{types.rsplit('$', 1)[-1]} {name} breaks {violation}"
