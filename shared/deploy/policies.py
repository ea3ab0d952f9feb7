"""The policy pack in a run: one process for all layers, where plain pulumi starts one for each."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from shared.deploy.workspace import ROOT, Workspace
from shared.errors import TxmonError

PACK = "shared/policies/pack"
FROM_LAYER = f"../../{PACK}"
"""As the engine finds it from a layer's folder."""

MANDATORY = "mandatory"
"""The level of a violation that stops the layer; all others are warnings."""


@contextmanager
def pack_running(workspace: Workspace) -> Iterator[Workspace]:
    """The workspace, with a pack running beside it that every engine started there takes for its own.

    The pack ends when nobody holds its standard input any more: this process, and the engines, which go on when this
    process is killed and still need it.

    Raises:
        TxmonError: the pack does not start.
    """
    process = subprocess.Popen(
        [ROOT / PACK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the runner, and the engines still need the pack to end cleanly
    )
    with process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            if not port:
                raise TxmonError(f"the policy pack does not start: run {PACK} to see why")
            held = (process.stdin.fileno(),) if process.stdin else ()
            yield replace(workspace, variables=workspace.variables | {"TXMON_POLICY_PORT": port}, held=held)
        finally:
            process.terminate()


def sentence(event: Mapping[str, Any]) -> str:
    """The resource, the rule and what to change, of the engine's event about a violation."""
    *_, types, name = event["resourceUrn"].split("::")
    _, _, violation = event["message"].strip().partition("\n")  # the policy's own description comes first
    return f"{types.rsplit('$', 1)[-1]} {name} breaks {violation}"
