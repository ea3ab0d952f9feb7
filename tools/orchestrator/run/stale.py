"""Which layers are stale: what they read from another layer has changed since they were deployed.

A state holds the outputs that its last update read, in the resources that stand for other stacks, so that nothing
else has to be recorded and an update by plain pulumi counts too. Contracts forbid secret outputs; a rotated secret
shows by the number of its version.
"""

from collections.abc import Iterator, Mapping, Sequence

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.stack import Snapshot
from tools.orchestrator.state.checkpoints import with_last_updates

Stale = Mapping[str, Sequence[str]]
"""Stale layer -> the layers of which it read something else, in deploy order."""


def stale_layers(workspace: Workspace, snapshot: Snapshot) -> Stale:
    """Return the layers that are stale. A change of an output that a layer does not use does not make it stale."""
    layers = workspace.monorepo.deploy_order
    unknown = [layer for layer in layers if snapshot.stack(layer).needs_last_update]
    snapshot = with_last_updates(workspace, snapshot, unknown)
    found = {layer: list(_changed_upstreams(workspace, snapshot, layer)) for layer in layers}
    return {layer: upstreams for layer, upstreams in found.items() if upstreams}


def _changed_upstreams(workspace: Workspace, snapshot: Snapshot, reader: str) -> Iterator[str]:
    monorepo, stack = workspace.monorepo, snapshot.stack(reader)
    for upstream in monorepo.deploy_order:
        name = f"{monorepo.project(upstream)}/{workspace.env}"
        now = snapshot.stack(upstream)
        if name not in stack.references or not now.is_deployed:
            continue
        before = stack.outputs_read(name)
        used = [output for output, readers in monorepo.layers[upstream].output_readers().items() if reader in readers]
        if before is None or any(before.get(output) != now.outputs.get(output) for output in used):
            yield upstream


def sentence(stale: Stale, env: str) -> str:
    """Return which layers are stale and why, and the command that deploys them."""
    named = ", ".join(f"{layer} ({', '.join(upstreams)} changed)" for layer, upstreams in stale.items())
    command = f"./inv up {next(iter(stale))}" if len(stale) == 1 else "./inv deploy-all --stale"
    return f"stale: {named}; next: {command} --env {env}"
