"""The verbs: what `./inv` does, as plain functions over a workspace. Each gives the exit code of its task."""

import shlex
import sys
from collections.abc import Callable, Iterable, Mapping

from rich.console import Console
from rich.table import Table

from shared.deploy import display, guards
from shared.deploy.operation import Action, Operation
from shared.deploy.runner import Run
from shared.deploy.state import LayerState, read_states
from shared.deploy.workspace import Workspace, open_workspace
from shared.errors import TxmonError
from shared.layers import APPLICATION_OUTPUTS, LAYERS

READS = {name: info.reads for name, info in LAYERS.items()}

DANGER = ("replace", "delete")
"""Steps that lose what the resource holds; shown first."""


def deploy_all(workspace: Workspace, console: Console, *, yes: bool, parallel: int) -> int:
    """Deploy every layer, each as soon as those it reads have ended well."""
    confirm(workspace, "deploy every layer of", yes=yes)
    for layer in workspace.missing_stacks():
        workspace.make_stack(layer)
    run = _run(workspace, console, Action.UP, READS, parallel)
    env = workspace.env
    if run.ok:
        console.print(_application_table(run.operations))
        console.print(
            f"next: ./inv outputs --format env --env {env}, ./inv status --env {env}, ./inv destroy-all --env {env}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    else:
        console.print(f"mend what failed, then go on with: ./inv deploy-all --env {env}", markup=False)
    return run.exit_code


def preview_all(workspace: Workspace, console: Console, *, parallel: int) -> int:
    """Show what deploy-all would do. Outputs of layers that are not deployed yet are unknown in it."""
    missing = workspace.missing_stacks()
    try:
        for layer in missing:
            workspace.make_stack(layer)
        run = _run(workspace, console, Action.PREVIEW, READS, parallel)
    finally:
        workspace.remove_made_stacks()
    console.print(_plan_table(run.operations.values()))
    if missing:
        console.print(
            f"not deployed yet: {', '.join(missing)}; what depends on their outputs is unknown", markup=False
        )
    console.print("nothing was created or changed", markup=False)
    return run.exit_code


def up(workspace: Workspace, console: Console, layer: str, *, yes: bool) -> int:
    """Deploy one layer; refused while a layer that it reads is missing, failed or lacks an output."""
    guards.require_upstreams(workspace, layer)
    confirm(workspace, f"deploy {layer} of", yes=yes)
    if layer in workspace.missing_stacks():
        workspace.make_stack(layer)
    return _run(workspace, console, Action.UP, {layer: ()}, 1).exit_code


def preview(workspace: Workspace, console: Console, layer: str) -> int:
    """Show what `up` would do to one layer."""
    try:
        for name in {layer, *LAYERS[layer].reads} & set(workspace.missing_stacks()):
            workspace.make_stack(name)
        run = _run(workspace, console, Action.PREVIEW, {layer: ()}, 1)
    finally:
        workspace.remove_made_stacks()
    console.print(_plan_table(run.operations.values()))
    return run.exit_code


def destroy(workspace: Workspace, console: Console, layer: str, *, yes: bool) -> int:
    """Destroy one layer; refused while another deployed layer reads it."""
    guards.require_no_readers(workspace, layer)
    states = read_states(workspace, [layer])
    return _destroy(workspace, console, states, {layer: set()}, yes=yes, parallel=1)


def destroy_all(workspace: Workspace, console: Console, *, yes: bool, parallel: int) -> int:
    """Destroy every layer, readers first, once a preview of every destroy has gone well."""
    states = read_states(workspace, LAYERS)
    return _destroy(workspace, console, states, guards.readers_in(states), yes=yes, parallel=parallel)


def _destroy(
    workspace: Workspace,
    console: Console,
    states: dict[str, LayerState],
    readers: dict[str, set[str]],
    *,
    yes: bool,
    parallel: int,
) -> int:
    deployed = [layer for layer, state in states.items() if state.is_deployed]
    if not deployed:
        console.print(f"nothing is deployed in {workspace.env}", markup=False)
        return 0
    guards.require_unprotected(workspace, states.values())
    previews = _run(workspace, console, Action.DESTROY_PREVIEW, dict.fromkeys(deployed, ()), parallel)
    if not previews.ok:
        console.print("nothing was deleted: a preview failed", markup=False)
        return previews.exit_code
    confirm(workspace, f"destroy {', '.join(deployed)} of", yes=yes)
    run = _run(
        workspace, console, Action.DESTROY, {layer: readers[layer] & set(deployed) for layer in deployed}, parallel
    )
    if run.ok:
        console.print(f"destroyed: {', '.join(run.operations)}", markup=False)
    else:
        console.print(f"go on with: ./inv destroy-all --env {workspace.env}", markup=False)
    return run.exit_code


def _run(
    workspace: Workspace, console: Console, action: Action, waits_for: Mapping[str, Iterable[str]], parallel: int
) -> Run:
    run = Run(workspace, action, waits_for)
    with display.following(run, console) as tell:
        run.execute(tell, parallel)
    display.summarize(run, console)
    return run


def confirm(workspace: Workspace, what: str, *, yes: bool) -> None:
    """Ask before a real environment is changed.

    Raises:
        TxmonError: the answer is no, or nobody is there to ask.
    """
    if workspace.environment.is_local or yes:
        return
    if not sys.stdin.isatty():
        raise TxmonError(f"{workspace.env} is a real environment and nobody is there to confirm: add --yes")
    if Console(stderr=True).input(f"{what} {workspace.env}? type its name to go on: ").strip() != workspace.env:
        raise TxmonError("not confirmed; nothing was done")


def _application_table(operations: dict[str, Operation]) -> Table:
    table = Table(box=None, pad_edge=False, title="what an application needs", title_justify="left")
    table.add_column("output", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, layer in APPLICATION_OUTPUTS.items():
        table.add_row(name, str(operations[layer].outputs.get(name)))
    return table


def _plan_table(operations: Iterable[Operation]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "step", "resource", "because of"):
        table.add_column(heading, overflow="fold")
    steps = [(operation.layer, step) for operation in operations for step in operation.steps]
    for layer, step in sorted(steps, key=lambda item: item[1].op not in DANGER):
        style = "bold red" if step.op in DANGER else ""
        table.add_row(layer, step.op, step.label, ", ".join(step.keys), style=style)
    return table


def local_env(say: Callable[[str], None], port: int | None) -> str:
    """Start the local cloud, make its five stacks, and give the shell lines that lead to both."""
    workspace = open_workspace("local", say, port)
    for layer in workspace.missing_stacks():
        workspace.make_stack(layer)
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in workspace.variables.items())
