"""The verbs: what `./inv` does, as plain functions over a workspace. Each gives the exit code of its task."""

import shlex
import sys
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from shared.environments import require_files, shown, stack_file
from shared.errors import Ended, TxmonError
from shared.graph import APPLICATION_OUTPUTS, LAYERS, project
from tools import localcloud
from tools.localcloud.home import Files
from tools.orchestrator.engine import program_host
from tools.orchestrator.engine.operation import Action, Operation
from tools.orchestrator.engine.workspace import LOCAL_HOME, Workspace, open_workspace
from tools.orchestrator.render import live
from tools.orchestrator.repository.selection import relied_on
from tools.orchestrator.run import destroy_preview, plan, preconditions
from tools.orchestrator.run.exclusive import changing
from tools.orchestrator.run.journal import Journal, unfinished
from tools.orchestrator.run.plan import Plan
from tools.orchestrator.run.scheduler import Run
from tools.orchestrator.state.folder_store import Folder
from tools.orchestrator.state.locks import environment_lock, require_nobody_at_work, require_unlocked
from tools.orchestrator.state.stacks import deployed_states, find_deployed, read_states, removed_layers

if TYPE_CHECKING:
    from tools.orchestrator.run.cost import Estimate

CHANGED = 2
"""Exit code: changes were found where none were expected."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Terminal:
    """Where a verb shows its results, and where it says what happens on the way."""

    console: Console
    say: Say
    report: Path | None = None
    """The folder for a report of what was done, if one is wanted."""


def deploy_all(
    workspace: Workspace,
    terminal: Terminal,
    *,
    yes: bool,
    parallel: int,
    layers: Collection[str] = tuple(LAYERS),
    approved: Plan | None = None,
) -> int:
    """Deploy layers, each as soon as those it reads have ended well; what they read beside must be deployed.

    A real environment shows its plan, unless one is `approved` already, and asks, unless `yes` waives it; a layer
    that would then lose something that the plan does not have stops before it begins.
    """
    program_host.warm(layers=True)  # while it is found out what may be deployed
    if approved:
        layers = approved.among(layers, workspace.env)
    require_somebody(workspace, yes=yes or approved is not None)
    preconditions.require_upstreams(workspace, layers)
    if approved is None and not workspace.environment.is_local:
        approved = _plan(workspace, terminal, layers, parallel)
        confirm(workspace, f"deploy {', '.join(layers)} of", yes=yes)
    with changing(workspace, "deploy-all", layers, terminal.say, plan=approved) as journal:
        run = Run(workspace, Action.UP, _among(layers), journal.folder, approved, workspace.missing_stacks())
        _execute(run, terminal, parallel, journal)
    if run.ok:
        _tell_what_an_application_needs(workspace, run, terminal.console)
    else:
        mend = "mend what failed, then " if run.result == "failed" else ""
        terminal.console.print(f"{mend}go on with: ./inv resume --env {workspace.env}")
    return run.exit_code


def _among(layers: Collection[str]) -> dict[str, Collection[str]]:
    return {layer: LAYERS[layer].reads for layer in layers}


def preview_all(
    workspace: Workspace,
    terminal: Terminal,
    *,
    parallel: int,
    layers: Collection[str] = tuple(LAYERS),
    save: Path | None = None,
    expect_no_changes: bool = False,
) -> int:
    """Show the plan of deploy-all, before anything exists too. 2 if there are changes and none were expected."""
    plan = _plan(workspace, terminal, layers, parallel)
    if save:
        plan.save(save)
        terminal.say(f"saved; do it with: ./inv deploy-all --plan {shlex.quote(str(save))} --env {workspace.env}")
    terminal.console.print("nothing was created or changed")
    return CHANGED if expect_no_changes and plan.changes else 0


def _plan(workspace: Workspace, terminal: Terminal, layers: Collection[str], parallel: int) -> Plan:
    """Preview the layers, each with what those before it have planned, and show the whole."""
    new = _not_deployed(workspace, layers)
    run = _previews(workspace, terminal, layers, parallel, new)
    made = plan.plan_of(workspace.env, run.operations.values())
    plan.show(made, terminal.console)
    if new:
        terminal.console.print(f"not deployed yet: {', '.join(new)}; what depends on their outputs is unknown")
    if not run.ok:
        raise Ended(run.exit_code)
    from tools.orchestrator.run import cost  # noqa: PLC0415 (only plans read the price book)

    terminal.console.print(cost.difference(run.operations.values()))
    return made


def _not_deployed(workspace: Workspace, layers: Collection[str]) -> list[str]:
    """Those of the layers, and of what they read beside, that hold nothing."""
    stacks, concerned = workspace.stacks(), {*layers, *relied_on(layers)}
    return [layer for layer in LAYERS if layer in concerned and not stacks.get(project(layer))]


def _previews(
    workspace: Workspace, terminal: Terminal, layers: Collection[str], parallel: int, new: Collection[str]
) -> Run:
    """Preview the layers; where some are `new`, alone in the environment: the stacks that they lack come and go.

    Raises:
        TxmonError: some are, and another run is at work.
    """
    with environment_lock(workspace, "preview") if new else nullcontext(), TemporaryDirectory() as folder:
        missing = workspace.missing_stacks() if new else []
        try:
            workspace.make_stacks(relied_on(layers).keys() & set(missing))
            run = Run(workspace, Action.PREVIEW, _among(layers), Path(folder), missing=missing)
            _execute(run, terminal, parallel)
        finally:
            workspace.remove_made_stacks()
    return run


def estimate(workspace: Workspace, terminal: Terminal, *, parallel: int) -> "dict[str, Estimate]":
    """What each layer would cost a month, as a preview plans it; nothing is created.

    Raises:
        Ended: a preview failed.
    """
    run = _previews(workspace, terminal, LAYERS, parallel, _not_deployed(workspace, LAYERS))
    if not run.ok:
        raise Ended(run.exit_code)
    from tools.orchestrator.run import cost  # noqa: PLC0415 (only plans read the price book)

    return cost.of_layers(run.operations.values())


def up(workspace: Workspace, terminal: Terminal, layer: str, *, yes: bool, refresh: bool = False) -> int:
    """Deploy one layer; refused while a layer that it reads is missing, failed or lacks an output.

    After a `refresh` the engine knows what AWS has become in the meantime, and puts back what drifted.
    """
    preconditions.require_upstreams(workspace, [layer])
    confirm(workspace, f"deploy {layer} of", yes=yes)
    with changing(workspace, "up", [layer], terminal.say, refresh=refresh) as journal:
        action = Action.REFRESH_UP if refresh else Action.UP
        run = Run(workspace, action, {layer: ()}, journal.folder, missing=workspace.missing_stacks())
        _execute(run, terminal, 1, journal)
    return run.exit_code


def preview(workspace: Workspace, terminal: Terminal, layer: str) -> int:
    """Show what `up` would do to one layer."""
    run = _previews(workspace, terminal, [layer], 1, _not_deployed(workspace, [layer]))
    plan.show(plan.plan_of(workspace.env, run.operations.values()), terminal.console)
    return run.exit_code


def resume(workspace: Workspace, terminal: Terminal, *, yes: bool, parallel: int) -> int:
    """Go on from the newest run that left something to do, in the same way, with the layers it did not see end well.

    A run that was held to a plan is held to it again, once that is confirmed anew.

    Raises:
        TxmonError: one of the layers is no layer any more.
    """
    found = unfinished(workspace.env, terminal.say)
    if found is None:
        terminal.console.print(f"there is nothing to resume in {workspace.env}")
        return 0
    run, left = found
    terminal.say(f"going on from {run}, which {run.outcome}")
    gone = set(left) - LAYERS.keys()
    if gone and not run.destroys:
        raise TxmonError(
            f"{', '.join(sorted(gone))} of that run is no layer any more: check out commit {run.commit[:8]} to go on"
        )
    require_files(workspace.env, left)
    if run.destroys:
        return destroy_all(workspace, terminal, yes=yes, parallel=parallel, layers=left)
    if run.verb == "up":
        return up(workspace, terminal, left[0], yes=yes, refresh=run.refresh)
    if run.plan:
        terminal.say("it is held to the plan that was approved then")
        plan.show(run.plan.only(left), terminal.console)
        confirm(workspace, f"deploy {', '.join(left)} of", yes=yes)
    return deploy_all(workspace, terminal, yes=yes, parallel=parallel, layers=left, approved=run.plan)


def destroy(workspace: Workspace, terminal: Terminal, layer: str, *, yes: bool) -> int:
    """Destroy one layer, deployed or known; refused while another deployed stack reads it.

    Raises:
        TxmonError: there is no such layer.
    """
    found = find_deployed(workspace, layer)
    return destroy_all(workspace, terminal, yes=yes, parallel=1, layers=[found], verb="destroy")


def destroy_all(
    workspace: Workspace,
    terminal: Terminal,
    *,
    yes: bool,
    parallel: int,
    layers: Collection[str] | None = None,
    verb: str = "destroy-all",
) -> int:
    """Destroy layers, readers first, once nothing speaks against any of them and what goes and stays is told.

    All of them, if none are named, is what the backend holds, whether or not the repository still has it.
    """
    program_host.warm(layers=False)  # while it is found out what may be destroyed
    states = deployed_states(workspace, everywhere=True)
    layers = [*LAYERS, *removed_layers(states)] if layers is None else layers
    preconditions.require_no_other_readers(workspace, states, layers)
    deployed = [layer for layer in layers if layer in states]
    if not deployed:
        require_unlocked(workspace)  # an engine that was killed at the very end has left its lock
        what = "nothing" if set(layers) >= LAYERS.keys() else f"nothing of {', '.join(layers)}"
        terminal.console.print(f"{what} is deployed in {workspace.env}")
        return 0
    require_files(workspace.env, deployed)
    preconditions.require_unprotected(workspace, [states[layer] for layer in deployed])
    destroy_preview.show([states[layer] for layer in deployed], terminal.console)
    confirm(workspace, f"destroy {', '.join(deployed)} of", yes=yes)
    with changing(workspace, verb, deployed, terminal.say) as journal:
        states = deployed_states(workspace, everywhere=True)  # anew: until here, others may have deployed a reader
        readers = preconditions.require_no_other_readers(workspace, states, deployed)
        run = Run(
            workspace, Action.DESTROY, {name: readers[name] & set(deployed) for name in deployed}, journal.folder
        )
        _execute(run, terminal, parallel, journal)
    if run.ok:
        terminal.console.print(f"destroyed: {', '.join(run.operations)}")
    else:
        terminal.console.print(f"go on with: ./inv resume --env {workspace.env}")
    return run.exit_code


def _execute(run: Run, terminal: Terminal, parallel: int, journal: Journal | None = None) -> None:
    """Run, shown live and, if it changes something, written down."""
    with live.following(run, terminal.console) as show:

        def tell(operation: Operation, line: str) -> None:
            if journal and (not line or line == operation.command):
                journal.note(operation)
            show(operation, line)

        run.execute(tell, parallel)
    if journal:
        journal.end(run.result)
    live.summarize(run, terminal.console)
    if run.given_keys:
        files = ", ".join(shown(stack_file(layer, run.workspace.env)) for layer in run.given_keys)
        terminal.console.print(f"commit {files}: how the secrets are encrypted was added", soft_wrap=True)
    if terminal.report:
        from tools.orchestrator.render import report  # noqa: PLC0415 (only reports need the templates)

        record = journal.record if journal else report.record_of(run)
        written = report.write(report.report_of(record, run.operations.values()), terminal.report)
        terminal.say(f"report: {', '.join(map(str, written))}")


def require_somebody(workspace: Workspace, *, yes: bool) -> None:
    """Somebody is there to confirm a change of a real environment, or has waived it.

    Raises:
        TxmonError: nobody is.
    """
    if not (workspace.environment.is_local or yes or sys.stdin.isatty()):
        raise TxmonError(f"{workspace.env} is a real environment and nobody is there to confirm: add --yes")


def confirm(workspace: Workspace, what: str, *, yes: bool) -> None:
    """Ask before a real environment is changed.

    Raises:
        TxmonError: the answer is no, or nobody is there to ask.
    """
    if workspace.environment.is_local or yes:
        return
    require_somebody(workspace, yes=yes)
    if answer(f"{what} {workspace.env}? type its name to go on: ") != workspace.env:
        raise TxmonError("not confirmed; nothing was done")


def answer(question: str) -> str:
    """What somebody at the terminal says; nothing on Ctrl-D."""
    try:
        return Console(stderr=True, markup=False).input(question, markup=False).strip()
    except EOFError:
        return ""


def _tell_what_an_application_needs(workspace: Workspace, run: Run, console: Console) -> None:
    """The outputs an application needs, from the run and the layers beside it, and what to type next."""
    beside = set(APPLICATION_OUTPUTS.values()) - run.operations.keys()
    known = {layer: operation.outputs for layer, operation in run.operations.items()}
    if beside:
        known |= {layer: state.outputs for layer, state in read_states(workspace, beside).items()}
    table = Table(box=None, pad_edge=False, title="what an application needs", title_justify="left")
    table.add_column("output", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, layer in APPLICATION_OUTPUTS.items():
        if name in known[layer]:
            table.add_row(name, str(known[layer][name]))
    console.print(table)
    env = workspace.env
    console.print(
        f"next: ./inv outputs --format env --env {env}, ./inv status --env {env}, ./inv destroy-all --env {env}",
        soft_wrap=True,
    )


def local_down() -> str:
    """Stop the local cloud, unless it is needed; gives what became of it.

    Raises:
        TxmonError: something is at work in it.
    """
    require_nobody_at_work(Folder(Files(LOCAL_HOME).state))
    return "the local cloud is stopped" if localcloud.stop(LOCAL_HOME) else "the local cloud was not running"


def local_env(say: Callable[[str], None], port: int | None, provider: str) -> str:
    """Start the local cloud, make its five stacks, and give the shell lines that lead to both.

    A `provider` that is named stays in use until another one is.

    Raises:
        TxmonError: there is no such provider, the local cloud does not start, or a layer has no stack file for it.
    """
    require_files("local", LAYERS)
    if provider:
        localcloud.choose_provider(LOCAL_HOME, provider)
    workspace = open_workspace("local", say, port)
    workspace.make_stacks(workspace.missing_stacks())
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in workspace.variables.items())
