"""The verbs that change or compare an environment, as functions over a workspace that return the exit code."""

import logging
import shlex
from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tools.engine.install import find_engine
from tools.orchestrator.cli.prompts import confirm, require_confirmation_possible
from tools.orchestrator.cli.terminal import Terminal
from tools.orchestrator.engine import program_host
from tools.orchestrator.engine.workspace import Workspace, open_workspace
from tools.orchestrator.model.errors import OrchestratorError, VerbEnd
from tools.orchestrator.model.monorepo import Environment, Monorepo, OnLocalCloud
from tools.orchestrator.model.operation import Action, Operation
from tools.orchestrator.model.plan import Plan
from tools.orchestrator.model.stack import Snapshot, StackHealth
from tools.orchestrator.render import destroy_preview, live
from tools.orchestrator.render import plan as render_plan
from tools.orchestrator.render.status import status_table
from tools.orchestrator.render.table import table
from tools.orchestrator.repository.environments import missing_files, require_files
from tools.orchestrator.repository.new_environment import lifetimes
from tools.orchestrator.repository.stack_files import require_readable
from tools.orchestrator.run import plan as plans
from tools.orchestrator.run import preconditions, recovery
from tools.orchestrator.run import status as statuses
from tools.orchestrator.run.drift import Drift, drift_of
from tools.orchestrator.run.exclusive import exclusive_run
from tools.orchestrator.run.in_use import require_previewed, require_unused, users
from tools.orchestrator.run.journal import Journal, unfinished
from tools.orchestrator.run.scheduler import Run
from tools.orchestrator.run.stale import sentence, stale_layers
from tools.orchestrator.run.waiting_secrets import restore_commands
from tools.orchestrator.state.checkpoints import find_deployed, read_snapshot
from tools.orchestrator.state.locks import EnvironmentLock, require_unlocked

if TYPE_CHECKING:
    from tools.orchestrator.run.cost import Estimate

CHANGED = 2
"""Exit code if there are changes and none were expected."""

logger = logging.getLogger(__name__)


def open_environment(monorepo: Monorepo, environment: Environment) -> Workspace:
    """Return the environment's workspace, with an engine and, if it is local, a running local cloud.

    Raises:
        OrchestratorError: a stack file is broken, or the shell leads to another cloud.
        EngineError: there is no engine.
        LocalCloudError: the local cloud does not start.
    """
    require_readable(monorepo, environment.name)
    engine = find_engine(logger.info)
    cloud = monorepo.local_cloud if environment.is_local else None
    if cloud is None:
        return open_workspace(monorepo, environment, engine, {})
    old_state = cloud.start()
    if old_state:
        logger.warning(
            "the local cloud lost its resources (it was killed amid a change); the local stacks that "
            "described them were moved to %s and all local environments start empty",
            monorepo.display(old_state),
        )
    return open_workspace(monorepo, environment, engine, cloud.variables())


def open_for_estimate(monorepo: Monorepo, environment: Environment) -> Workspace:
    """Return the environment's workspace; without a state backend, one on the local cloud, where nothing is deployed.

    Raises:
        OrchestratorError, EngineError, LocalCloudError: as `open_environment` does.
    """
    workspace = open_environment(monorepo, environment)
    if workspace.backend or monorepo.local_cloud is None:
        return workspace
    logger.info("no state backend is chosen, so that this prices what the programs would create from nothing")
    return open_environment(monorepo, OnLocalCloud(environment.name))


def deploy_all(
    workspace: Workspace,
    terminal: Terminal,
    *,
    yes: bool,
    parallel: int,
    layers: Collection[str],
    approved: Plan | None = None,
) -> int:
    """Deploy layers, each as soon as the layers that it reads have succeeded; other upstreams must be deployed.

    A real environment shows its plan, unless one is `approved` already, and asks, unless `yes` is true. A layer
    that would then lose something that is not in the plan stops before it begins.
    """
    monorepo = workspace.monorepo
    program_host.start(monorepo.preload)  # meanwhile, find out what may be deployed
    if approved:
        layers = approved.select(layers, workspace.env, monorepo)
    require_confirmation_possible(workspace, yes=yes or approved is not None)
    snapshot = read_snapshot(workspace)
    preconditions.require_upstreams(workspace, snapshot, layers)
    if approved:
        require_unused(workspace, snapshot, approved)
    elif workspace.environment.is_local:
        _require_unused(workspace, snapshot, layers, parallel)
    else:
        approved = _plan(workspace, terminal, snapshot, layers, parallel)
        confirm(workspace, f"deploy {', '.join(layers)} of", yes=yes)
    with exclusive_run(workspace, "deploy-all", layers, plan=approved) as (journal, snapshot):
        missing = snapshot.without_stack(layers)
        run = Run(workspace, Action.UP, _graph(monorepo, layers), journal.folder, approved, missing)
        _execute(run, terminal, parallel, journal)
    if run.ok:
        _show_application_outputs(run, snapshot, terminal.console)
        _show_stale(run, terminal.console)
    else:
        _show_continuation(run, terminal.console)
    return run.exit_code


def deploy_stale(workspace: Workspace, terminal: Terminal, *, yes: bool, parallel: int) -> int:
    """Deploy the layers that are stale, then those that have become stale by that, until none is."""
    for _ in workspace.monorepo.layers:  # a reader becomes stale by its upstreams only, so that no pass is repeated
        layers = list(stale_layers(workspace, read_snapshot(workspace)))
        if not layers:
            terminal.console.print(f"no layer of {workspace.env} is stale")
            return 0
        require_files(workspace.monorepo, workspace.env, layers)
        code = deploy_all(workspace, terminal, yes=yes, parallel=parallel, layers=layers)
        if code:
            return code
    return 0


def _graph(monorepo: Monorepo, layers: Collection[str]) -> dict[str, Collection[str]]:
    return {layer: monorepo.layers[layer].reads for layer in layers}


def preview_all(
    workspace: Workspace,
    terminal: Terminal,
    *,
    parallel: int,
    layers: Collection[str],
    save: Path | None = None,
    expect_no_changes: bool = False,
) -> int:
    """Show the plan of deploy-all, even before anything exists; return 2 if unexpected changes are found."""
    plan = _plan(workspace, terminal, read_snapshot(workspace), layers, parallel)
    if save:
        plans.save(plan, save)
        path = shlex.quote(str(save))
        logger.info("saved; do it with: ./inv deploy-all --plan %s --env %s", path, workspace.env)
    terminal.console.print("nothing was created or changed")
    return CHANGED if expect_no_changes and plan.changes else 0


def _plan(
    workspace: Workspace, terminal: Terminal, snapshot: Snapshot, layers: Collection[str], parallel: int
) -> Plan:
    """Preview the layers, each with the planned outputs of the layers before it, and show the whole plan.

    Raises:
        VerbEnd: a preview failed.
        OrchestratorError: a layer would lose what another one still uses.
    """
    run, new = _previews(workspace, terminal, snapshot, layers, parallel)
    plan = plans.plan_of(workspace.env, run.operations.values())
    render_plan.show(plan, terminal.console)
    if new:
        terminal.console.print(f"not deployed yet: {', '.join(new)}; what depends on their outputs is unknown")
    if not run.ok:
        raise VerbEnd(run.exit_code)
    from tools.orchestrator.render import cost  # noqa: PLC0415 (only plans read the price book)

    terminal.console.print(cost.difference(run.operations.values()))
    require_unused(workspace, snapshot, plan)
    return plan


def _require_unused(workspace: Workspace, snapshot: Snapshot, layers: Collection[str], parallel: int) -> None:
    """Check, where no plan is made, that no layer would lose what another one still uses.

    Only the layers of which something is used are previewed.

    Raises:
        OrchestratorError: a layer would lose what another one still uses, or its preview failed.
        VerbEnd: it was interrupted.
    """
    used = [layer for layer in layers if users(workspace, snapshot, layer)]
    if not used:
        return
    with TemporaryDirectory() as folder:
        run = Run(workspace, Action.PREVIEW, dict.fromkeys(used, ()), Path(folder))
        run.execute(lambda *_: None, parallel)
    if run.interruptions:
        raise VerbEnd(run.exit_code)
    require_previewed(run.operations.values())
    require_unused(workspace, snapshot, plans.plan_of(workspace.env, run.operations.values()))


def _not_deployed(workspace: Workspace, snapshot: Snapshot, layers: Collection[str]) -> list[str]:
    """Return those of the layers, and of the layers that they read, whose stack is empty or missing."""
    concerned = {*layers, *workspace.monorepo.upstreams_outside(layers)}
    return [
        layer for layer in workspace.monorepo.layers if layer in concerned and not snapshot.stack(layer).is_deployed
    ]


def _previews(
    workspace: Workspace, terminal: Terminal, snapshot: Snapshot, layers: Collection[str], parallel: int
) -> tuple[Run, list[str]]:
    """Preview the layers; return also which of them, or of those that they read, are not deployed.

    If there are any, hold the environment: missing stacks are created and removed again.

    Raises:
        OrchestratorError: the environment is protected and not described; some are not deployed, and another run is
            active; or another secrets provider than the environment's encrypts a stack.
    """
    preconditions.require_facts(workspace)
    preconditions.require_secrets_provider(workspace, snapshot)
    new = _not_deployed(workspace, snapshot, layers)
    lock = EnvironmentLock(workspace).hold("preview") if new else nullcontext()
    with lock, TemporaryDirectory() as folder:
        missing = read_snapshot(workspace).without_stack(workspace.monorepo.layers) if new else []
        try:
            # The run itself creates the stacks of `layers`.
            workspace.create_stacks(workspace.monorepo.upstreams_outside(layers).keys() & set(missing))
            graph = _graph(workspace.monorepo, layers)
            run = Run(workspace, Action.PREVIEW, graph, Path(folder), missing=missing)
            _execute(run, terminal, parallel)
        finally:
            workspace.remove_created_stacks()
    return run, new


def estimate(workspace: Workspace, terminal: Terminal, *, parallel: int) -> "dict[str, Estimate]":
    """Return what each layer would cost a month, by a preview of all layers.

    Raises:
        VerbEnd: a preview failed.
    """
    layers = workspace.monorepo.layers
    run, _ = _previews(workspace, terminal, read_snapshot(workspace), layers, parallel)
    if not run.ok:
        raise VerbEnd(run.exit_code)
    from tools.orchestrator.run import cost  # noqa: PLC0415 (only plans read the price book)

    return cost.of_layers(run.operations.values())


def up(workspace: Workspace, terminal: Terminal, layer: str, *, yes: bool, refresh: bool = False) -> int:
    """Deploy one layer, unless a layer that it reads is missing, failed or lacks an output.

    With `refresh`, the engine first reads from AWS what has changed there, and reverts drift.
    """
    snapshot = read_snapshot(workspace)
    preconditions.require_upstreams(workspace, snapshot, [layer])
    _require_unused(workspace, snapshot, [layer], 1)
    confirm(workspace, f"deploy {layer} of", yes=yes)
    with exclusive_run(workspace, "up", [layer], refresh=refresh) as (journal, snapshot):
        action = Action.REFRESH_UP if refresh else Action.UP
        missing = snapshot.without_stack([layer])
        run = Run(workspace, action, {layer: ()}, journal.folder, missing=missing)
        _execute(run, terminal, 1, journal)
    if run.ok:
        _show_stale(run, terminal.console)
    else:
        _show_continuation(run, terminal.console)
    return run.exit_code


def preview(workspace: Workspace, terminal: Terminal, layer: str) -> int:
    """Show what `up` would do to one layer."""
    run, _ = _previews(workspace, terminal, read_snapshot(workspace), [layer], 1)
    render_plan.show(plans.plan_of(workspace.env, run.operations.values()), terminal.console)
    return run.exit_code


def resume(workspace: Workspace, terminal: Terminal, *, yes: bool, parallel: int) -> int:
    """Go on from the newest run that left something to do, with the layers whose success it did not see.

    If the run had an approved plan, ask again and hold to the same plan.

    Raises:
        OrchestratorError: the repository no longer has one of the layers.
    """
    found = unfinished(workspace.monorepo, workspace.env)
    if found is None:
        terminal.console.print(f"there is nothing to resume in {workspace.env}")
        return 0
    run, left = found
    logger.info("going on from %s, which %s", run, run.outcome)
    removed = workspace.monorepo.removed_layers(left)
    if removed and not run.destroys:
        raise OrchestratorError(
            f"that run included {', '.join(removed)}, which is no longer a layer: check out commit "
            f"{run.commit[:8]} to go on"
        )
    require_files(workspace.monorepo, workspace.env, left)
    if run.destroys:
        return destroy_all(workspace, terminal, yes=yes, parallel=parallel, layers=left)
    if run.verb == "up":
        return up(workspace, terminal, left[0], yes=yes, refresh=run.refresh)
    if run.plan:
        logger.info("it is held to the plan that was approved then")
        render_plan.show(run.plan.only(left), terminal.console)
        confirm(workspace, f"deploy {', '.join(left)} of", yes=yes)
    return deploy_all(workspace, terminal, yes=yes, parallel=parallel, layers=left, approved=run.plan)


def destroy(workspace: Workspace, terminal: Terminal, layer: str, *, yes: bool) -> int:
    """Destroy one layer, also a removed one, unless another deployed stack reads it.

    Raises:
        OrchestratorError: there is no such layer.
    """
    return destroy_all(workspace, terminal, yes=yes, parallel=1, layers=[layer], verb="destroy")


def destroy_all(
    workspace: Workspace,
    terminal: Terminal,
    *,
    yes: bool,
    parallel: int,
    layers: Collection[str] | None = None,
    verb: str = "destroy-all",
) -> int:
    """Destroy layers, readers first, once nothing stands against it and the consequences have been shown.

    Without `layers`, destroy all that the backend holds of the environment, removed layers too.
    """
    program_host.start()  # meanwhile, find out what may be destroyed
    monorepo, env = workspace.monorepo, workspace.env
    snapshot = read_snapshot(workspace, everywhere=True)
    removed = monorepo.removed_layers(snapshot.deployed)
    layers = [find_deployed(workspace, snapshot, layer) for layer in layers or [*monorepo.layers, *removed]]
    preconditions.require_no_other_readers(workspace, snapshot, layers)
    deployed = [snapshot.stack(layer) for layer in layers if snapshot.stack(layer).is_deployed]
    names = [stack.name for stack in deployed]
    if not deployed:
        require_unlocked(workspace)  # an engine that was killed at the very end has left its lock
        everything = set(layers) >= monorepo.layers.keys()
        what = "nothing is" if everything else f"{', '.join(layers)} {'is' if len(layers) == 1 else 'are'} not"
        terminal.console.print(f"{what} deployed in {env}")
        return 0
    require_files(monorepo, env, names)
    preconditions.require_unprotected(workspace, deployed)
    destroy_preview.show(deployed, monorepo.stateful_types, terminal.console)
    confirm(workspace, f"destroy {', '.join(names)} of", yes=yes)
    with exclusive_run(workspace, verb, names, everywhere=True) as (journal, snapshot):
        # Others may have deployed a reader since the first check.
        readers = preconditions.require_no_other_readers(workspace, snapshot, names)
        graph = {name: readers[name] & set(names) for name in names}
        run = Run(workspace, Action.DESTROY, graph, journal.folder)
        _execute(run, terminal, parallel, journal)
    if run.ok:
        terminal.console.print(f"destroyed: {', '.join(run.operations)}")
    else:
        _show_continuation(run, terminal.console)
    return run.exit_code


def drift(workspace: Workspace, console: Console, parallel: int) -> Drift:
    """Compare every deployed layer with AWS, side by side; progress and failures go to `console`.

    Raises:
        OrchestratorError: the state backend does not answer, or a deployed layer lacks its stack file.
        VerbEnd: it was interrupted.
    """
    snapshot = read_snapshot(workspace)
    deployed = [layer for layer in workspace.monorepo.layers if snapshot.stack(layer).is_deployed]
    if not deployed:
        return Drift(workspace.env, {}, [])
    require_files(workspace.monorepo, workspace.env, deployed)
    preconditions.require_secrets_provider(workspace, snapshot)
    with TemporaryDirectory() as folder:
        run = Run(workspace, Action.DRIFT, dict.fromkeys(deployed, ()), Path(folder))
        _execute(run, Terminal(console), parallel)
    if run.interruptions:
        raise VerbEnd(run.exit_code)
    return drift_of(workspace.env, run.operations.values())


def outputs(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return the outputs of every deployed layer.

    Raises:
        OrchestratorError: nothing is deployed.
    """
    return statuses.outputs(workspace, read_snapshot(workspace))


def health(workspace: Workspace) -> dict[str, StackHealth]:
    """Return how every layer is."""
    return statuses.health_by_layer(workspace, read_snapshot(workspace))


def status(workspace: Workspace, console: Console) -> None:
    """Show how the environment is, what to do next, and which environments have expired."""
    found = statuses.status(workspace, read_snapshot(workspace))
    console.print(status_table(found))
    lines = [*found.next_steps, missing_files(workspace.monorepo, workspace.env)]
    lines += [str(lifetime) for lifetime in lifetimes(workspace.monorepo) if lifetime.expired]
    for line in filter(None, lines):
        console.print(line, soft_wrap=True)


def _execute(run: Run, terminal: Terminal, parallel: int, journal: Journal | None = None) -> None:
    """Run, show it live and, if it changes something, record it."""
    with live.following(run, terminal.console) as show:

        def on_progress(operation: Operation, line: str) -> None:
            if journal and (not line or line == operation.command):
                journal.note(operation)
            show(operation, line)

        run.execute(on_progress, parallel)
    if journal:
        journal.end(run.result)
    live.summarize(run, terminal.console)
    if run.files_with_added_keys:
        files = ", ".join(map(run.workspace.monorepo.display, run.files_with_added_keys))
        terminal.console.print(f"commit {files}: how the secrets are encrypted was added", soft_wrap=True)
    if terminal.report:
        from tools.orchestrator.render import report  # noqa: PLC0415 (only reports need the templates)

        record = journal.record if journal else report.record_of(run)
        monorepo = run.workspace.monorepo
        written = report.write(report.report_of(record, run.operations.values(), monorepo), terminal.report)
        logger.info("report: %s", ", ".join(map(str, written)))


def _show_stale(run: Run, console: Console) -> None:
    """Show the layers that read something else than what is deployed now, if the run has left out a reader."""
    workspace = run.workspace
    readers = {reader for layer in run.operations for reader in workspace.monorepo.readers(layer)}
    if readers <= run.operations.keys():
        return
    stale = stale_layers(workspace, read_snapshot(workspace))
    if stale:
        console.print(sentence(stale, workspace.env), soft_wrap=True)


def _show_continuation(run: Run, console: Console) -> None:
    """Show how to go on after a run that did not succeed."""
    env = run.workspace.env
    stuck = recovery.left_behind(run.workspace, run.operations)
    restore = restore_commands(run.workspace, run.operations.values())
    if restore:
        console.print("secrets of these names wait for their deletion; restore them with:")
        console.print("\n".join(f"    {command}" for command in restore), soft_wrap=True)
    unlock = f"./inv unlock {'all' if len(stuck) > 1 else stuck[0]} --env {env}, then " if stuck else ""
    remedy = "fix the error, then " if run.result == "failed" and not stuck else ""
    console.print(f"{remedy}continue with: {unlock}./inv resume --env {env}", soft_wrap=True)


def _show_application_outputs(run: Run, before: Snapshot, console: Console) -> None:
    """Show the outputs that an application needs, of this run and of earlier ones, and what to do next."""
    monorepo, env = run.workspace.monorepo, run.workspace.env
    rows = []
    for name, layer in monorepo.application_outputs.items():
        operation = run.operations.get(layer)
        outputs = operation.outputs if operation else before.stack(layer).outputs
        if name in outputs:
            rows.append((name, str(outputs[name])))
    console.print(table("output", "value", rows=rows, fold=("value",), title="what an application needs"))
    if run.workspace.environment.is_local and monorepo.local_cloud:
        for server in monorepo.local_cloud.servers():
            console.print(str(server), soft_wrap=True)
    console.print(
        f"next: ./inv outputs --format env --env {env}, ./inv status --env {env}, ./inv destroy-all --env {env}",
        soft_wrap=True,
    )
