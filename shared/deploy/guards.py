"""What has to be true before a layer is changed; each guard raises one sentence that names what mends it."""

from collections.abc import Iterable

from shared.deploy.state import LayerState, read_states
from shared.deploy.workspace import Workspace
from shared.errors import TxmonError
from shared.layers import LAYERS, deploy_order


def require_upstreams(workspace: Workspace, layer: str) -> None:
    """Every layer that `layer` reads is deployed, ended well and has the outputs it promises.

    Raises:
        TxmonError: one is missing, failed, or lacks an output.
    """
    for name, state in read_states(workspace, sorted(LAYERS[layer].reads)).items():
        fault = _upstream_fault(state)
        if fault:
            raise TxmonError(f"{layer} reads {name}, {fault}: ./inv up {name} --env {workspace.env}")


def _upstream_fault(state: LayerState) -> str | None:
    if not state.is_deployed:
        return "which is not deployed"
    if state.condition == "interrupted":
        return f"whose last update was interrupted while {', '.join(state.pending)}"
    if state.condition != "ok":
        return "whose last update failed"
    from shared.contracts import CONTRACTS  # noqa: PLC0415 (imports the SDK: half a second that other guards save)

    missing = sorted(CONTRACTS[state.layer].promises().keys() - state.outputs.keys())
    if missing:
        return f"which lacks the output{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
    return None


def readers_in(states: dict[str, LayerState]) -> dict[str, set[str]]:
    """Layer -> the deployed layers that read it, found in their states and not in the repository."""
    return {layer: {reader for reader, state in states.items() if layer in state.reads} for layer in states}


def require_no_readers(workspace: Workspace, layer: str) -> None:
    """No layer that is still deployed reads `layer`.

    Raises:
        TxmonError: names the readers.
    """
    readers = readers_in(read_states(workspace, LAYERS))[layer]
    if readers:
        ordered = [name for name in reversed(deploy_order()) if name in readers]
        raise TxmonError(
            f"{layer} is still read by {', '.join(ordered)}, which {'are' if len(ordered) > 1 else 'is'} deployed: "
            f"./inv destroy {ordered[0]} --env {workspace.env} first"
        )


def require_unprotected(workspace: Workspace, states: Iterable[LayerState]) -> None:
    """No resource of these layers is protected.

    Raises:
        TxmonError: names the layers and how their protection is lifted.
    """
    protected = {state.layer: state.protected for state in states if state.protected}
    if protected:
        counted = ", ".join(f"{len(names)} in {layer}" for layer, names in protected.items())
        raise TxmonError(
            f"{workspace.env} is protected ({counted}) and nothing was deleted; to destroy it, set protect: false in "
            f"projects/LAYER/Pulumi.{workspace.env}.yaml of {', '.join(protected)}, "
            f"./inv deploy-all --env {workspace.env}, then destroy again"
        )
