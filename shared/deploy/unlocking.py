"""Mends what a killed run leaves behind: a lock, and operations of which nobody knows whether AWS did them."""

from collections.abc import Callable

from shared import localcloud
from shared.deploy import locks
from shared.deploy.state import LayerState, read_states
from shared.deploy.workspace import LOCAL_HOME, Workspace
from shared.errors import TxmonError
from shared.layers import LAYERS


def unlock_all(workspace: Workspace, say: Callable[[str], None], *, force: bool) -> None:
    """Free the environment's own lock, then every layer that has a stack.

    Raises:
        TxmonError: as `unlock`.
    """
    freed = locks.free_environment(workspace, force=force)
    say(f"freed the lock of {freed}" if freed else f"{workspace.env} itself is not locked")
    missing = workspace.missing_stacks()
    for layer in LAYERS:
        if layer not in missing:
            unlock(workspace, layer, say, force=force)


def unlock(workspace: Workspace, layer: str, say: Callable[[str], None], *, force: bool) -> None:
    """Free the lock of a layer and settle its pending operations.

    Raises:
        TxmonError: the owner of the lock may still be at work and `force` is not given, or an operation that AWS may
            have done has to be settled by hand.
    """
    freed = locks.free_stack(workspace, layer, force=force)
    state = read_states(workspace, [layer])[layer]
    if freed:
        say(f"freed the lock of {freed}")
    if state.pending:
        _settle(workspace, state, say)
    elif not freed:
        say(f"{layer} is not locked and nothing in it is unsettled")


def _settle(workspace: Workspace, state: LayerState, say: Callable[[str], None]) -> None:
    """Take into the state what was made, and drop what was not; updates and deletes a refresh finds out by itself."""
    creating = [
        operation["resource"]["urn"] for operation in state.pending_operations if operation["type"] == "creating"
    ]
    made = localcloud.created(LOCAL_HOME, creating) if workspace.environment.is_local else {}
    unknown = [urn for urn in creating if urn not in made]
    if unknown and not workspace.environment.is_local:
        command = workspace.shown(state.layer, "refresh", "--import-pending-creates", f"'{unknown[0]} ID'")
        clear = workspace.shown(state.layer, "refresh", "--clear-pending-creates")
        names = ", ".join(urn.rsplit("::", 1)[-1] for urn in unknown)
        raise TxmonError(
            f"nobody knows whether AWS has made {names}; look in the console: if it has, take it into the state with "
            f"{command}; if not: {clear}"
        )
    imports = [word for pair in made.items() for part in pair for word in ("--import-pending-creates", part)]
    workspace.call(state.layer, "refresh", "--yes", "--skip-preview", *imports, "--clear-pending-creates")
    say(f"settled what {state.layer} was in the middle of: {', '.join(state.pending)}")
