"""What has to be true before a layer is changed; each guard raises one sentence that names what mends it."""

from collections.abc import Collection, Iterable, Mapping

from shared.errors import TxmonError
from shared.graph import LAYERS, deploy_order, project
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.repository.selection import relied_on
from tools.orchestrator.state.stacks import LayerState, deployed_states, read_states, removed_layers


def require_upstreams(workspace: Workspace, layers: Collection[str]) -> None:
    """Every layer that one of `layers` reads and that is not among them is deployed, ended well, has its outputs.

    Raises:
        TxmonError: one is missing, failed, or lacks an output.
    """
    relied = relied_on(layers)
    for name, state in read_states(workspace, relied).items() if relied else ():
        fault = _upstream_fault(state)
        if fault:
            raise TxmonError(
                f"{', '.join(relied[name])} read{'' if len(relied[name]) > 1 else 's'} {name}, {fault}: "
                f"./inv {state.mended_by[0]} {name} --env {workspace.env}"
            )


def _upstream_fault(state: LayerState) -> str | None:
    if not state.is_deployed:
        return "which is not deployed"
    if state.condition != "ok":
        return f"whose {state.fault}"
    from shared.contracts import CONTRACTS  # noqa: PLC0415 (imports the SDK: half a second that other guards save)

    missing = sorted(CONTRACTS[state.layer].outputs().keys() - state.outputs.keys())
    if missing:
        return f"which lacks the output{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
    return None


def require_settled(workspace: Workspace) -> None:
    """No layer was left in the middle of an operation, by a run of this clone, of another one or of plain pulumi.

    Raises:
        TxmonError: names the layers, their operations and what settles them.
    """
    deployed = deployed_states(workspace)
    pending = {layer: deployed[layer].pending for layer in LAYERS if layer in deployed and deployed[layer].pending}
    if pending:
        stopped = "; ".join(f"{layer} was stopped while {', '.join(names)}" for layer, names in pending.items())
        which = "all" if len(pending) > 1 else next(iter(pending))
        raise TxmonError(
            f"{stopped}; what AWS did of it is unknown: ./inv unlock {which} --env {workspace.env} settles it"
        )


def require_no_other_readers(
    workspace: Workspace, states: Mapping[str, LayerState], layers: Collection[str]
) -> dict[str, set[str]]:
    """No deployed stack outside of `layers` reads one of them; gives the readers of each layer.

    Readers are found in `states`: those of all that is deployed in the backend, of other products too.

    Raises:
        TxmonError: names the readers.
    """
    found = readers(workspace, states, layers)
    for layer in layers:
        others = found[layer] - set(layers)
        if others:
            known = [name for name in [*removed_layers(others), *reversed(deploy_order())] if name in others]
            foreign = sorted(others - set(known))
            mend = f"./inv destroy {known[0]} --env {workspace.env}" if known else f"destroy the stack {foreign[0]}"
            named = known + foreign
            raise TxmonError(
                f"{layer} is still read by {', '.join(named)}, which {'are' if len(named) > 1 else 'is'} deployed: "
                f"{mend} first"
            )
    return found


def readers(workspace: Workspace, states: Mapping[str, LayerState], layers: Iterable[str]) -> dict[str, set[str]]:
    """Layer -> what reads it in this environment, by layer or else by `project/stack`."""
    return {
        layer: {name for name, state in states.items() if f"{project(layer)}/{workspace.env}" in state.reads}
        for layer in layers
    }


def require_unprotected(workspace: Workspace, states: Iterable[LayerState]) -> None:
    """No resource of these layers is protected.

    Raises:
        TxmonError: names the layers and how their protection is lifted.
    """
    protected = {state.layer: state.protected for state in states if state.protected}
    if protected:
        counted = ", ".join(f"{len(names)} in {layer}" for layer, names in protected.items())
        raise TxmonError(
            f"{workspace.env} is protected ({counted}) and nothing was deleted; to destroy it, set "
            f"{project('LAYER')}:protect: false in projects/LAYER/Pulumi.{workspace.env}.yaml of "
            f"{', '.join(protected)}, ./inv deploy-all --env {workspace.env}, then destroy again"
        )
