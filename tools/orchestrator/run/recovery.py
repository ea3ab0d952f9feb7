"""Mends what a killed run leaves behind: a lock, and operations of which nobody knows whether AWS did them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shared.environments import require_files
from shared.errors import TxmonError
from shared.graph import LAYERS
from tools import localcloud
from tools.orchestrator.cli.commands import answer
from tools.orchestrator.engine import stack_file_guard
from tools.orchestrator.engine.workspace import LOCAL_HOME, Workspace
from tools.orchestrator.state import locks
from tools.orchestrator.state.stacks import SETTLED, LayerState, find_deployed, outlived, read_states


def unlock_all(workspace: Workspace, say: Callable[[str], None], *, force: bool) -> None:
    """Free the environment's own lock, then every layer that has a stack.

    Raises:
        TxmonError: as `unlock`, or a layer lacks its stack file.
    """
    freed = locks.free_environment(workspace, _may_break(force=force))
    say(f"freed the lock of {freed}" if freed else f"{workspace.env} itself is not locked")
    missing = workspace.missing_stacks()
    present = [layer for layer in LAYERS if layer not in missing]
    require_files(workspace.env, present)
    for layer in [*present, *outlived(workspace)]:
        unlock(workspace, layer, say, force=force)


def unlock(workspace: Workspace, layer: str, say: Callable[[str], None], *, force: bool) -> None:
    """Free the lock of a layer and settle its pending operations; asks where the owner may still be at work.

    Raises:
        TxmonError: there is no such layer, or it lacks a file that it needs; or the owner of the lock may still be at
            work and neither `force` nor somebody at the terminal says that it is not; or another run is; or an
            operation that AWS may have done has to be settled by hand.
    """
    layer = find_deployed(workspace, layer)
    require_files(workspace.env, [layer])
    freed = locks.free_stack(workspace, layer, _may_break(force=force))
    if freed:
        say(f"freed the lock of {freed}")
    with locks.environment_lock(workspace, "unlock"):
        state = read_states(workspace, [layer])[layer]
        if state.pending and layer in LAYERS:  # one that is no more can only go, settled or not
            _settle(workspace, state, say)
        elif not freed:
            say(f"{layer} is not locked and nothing in it is unsettled")


def _may_break(*, force: bool) -> locks.MayBreak:
    """Somebody says so: with `force`, or when asked at the terminal."""

    def may_break(held: str) -> bool:
        return force or (sys.stdin.isatty() and answer(f"{held}; free it all the same? type yes: ") == "yes")

    return may_break


def _settle(workspace: Workspace, state: LayerState, say: Callable[[str], None]) -> None:
    """Take into the state what was made, and drop what was not; updates and deletes a refresh finds out by itself."""
    creating = [
        operation["resource"]["urn"] for operation in state.pending_operations if operation["type"] == "creating"
    ]
    made = localcloud.created(LOCAL_HOME, creating) if workspace.environment.is_local else {}
    unknown = [urn for urn in creating if urn not in made]
    if unknown and not workspace.environment.is_local:
        taking = ("--import-pending-creates", f"'{unknown[0]}'", "--import-pending-creates", "ID")
        command = workspace.shown(state.layer, "refresh", *taking)
        clear = workspace.shown(state.layer, "refresh", "--clear-pending-creates")
        names = ", ".join(urn.rsplit("::", 1)[-1] for urn in unknown)
        raise TxmonError(
            f"nobody knows whether AWS has made {names}; look in the console: if it has, take it into the state with "
            f"{command}; if not: {clear}"
        )
    with TemporaryDirectory() as folder:
        settled = Path(folder) / "state.json"
        settled.write_text(json.dumps(_with(json.loads(workspace.call(state.layer, "stack", "export")), made)))
        workspace.call(state.layer, "stack", "import", "--file", str(settled))
    pending = ", ".join(state.pending)
    with stack_file_guard.kept(state.layer, workspace.env):
        workspace.call(state.layer, "refresh", "--yes", "--skip-preview", "--message", f"{SETTLED}{pending}")
    say(f"settled what {state.layer} was in the middle of: {pending}")


def _with(exported: dict[str, Any], made: dict[str, str]) -> dict[str, Any]:
    """A checkpoint without pending operations, with what they have made; a refresh then reads it, or finds it gone.

    `pulumi refresh --import-pending-creates` would do it, but drops them again with `--clear-pending-creates`, and
    without that the engine goes on warning of the others.
    """
    deployment = exported["deployment"]
    known = {resource["urn"] for resource in deployment.get("resources") or []}
    added = [
        operation["resource"] | {"id": made[urn], "outputs": operation["resource"].get("inputs", {})}
        for operation in deployment.get("pending_operations") or []
        if (urn := operation["resource"]["urn"]) in made and urn not in known
    ]
    kept = deployment | {"resources": [*(deployment.get("resources") or []), *added], "pending_operations": []}
    return exported | {"deployment": kept}
