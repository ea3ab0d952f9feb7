"""txmon's verbs: each finds the environment, opens its workspace and runs a command of the orchestrator on it."""

import json
from functools import cache, partial
from typing import TypedDict

from tools.engine.install import find_engine
from tools.orchestrator.cli import commands
from tools.orchestrator.cli.options import path_argument, require_writable
from tools.orchestrator.cli.prompts import may_break_lock
from tools.orchestrator.cli.terminal import console, show, terminal
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Environment
from tools.orchestrator.render import affected as render_affected
from tools.orchestrator.render import drift as render_drift
from tools.orchestrator.render import environments as render_environments
from tools.orchestrator.render import settings as render_settings
from tools.orchestrator.render import status as render_status
from tools.orchestrator.repository.affected import affected as affected_layers
from tools.orchestrator.repository.environments import find_environment
from tools.orchestrator.repository.new_environment import create, lifetimes, parse_expiry
from tools.orchestrator.repository.selection import choose, one
from tools.orchestrator.repository.settings import differences
from tools.orchestrator.run import plan as plans
from tools.orchestrator.run import recovery
from tools.txmon import doctor as diagnosis
from tools.txmon import local, rotations
from tools.txmon.monorepo import LOCAL_CLOUD, MONOREPO


class Selection(TypedDict):
    """The options that choose layers."""

    only: str | None
    from_: str | None
    skip: str | None
    affected: str | None


def _environment(name: str) -> Environment:
    return find_environment(MONOREPO, name)


def _open(environment: Environment) -> Workspace:
    return commands.open_environment(MONOREPO, environment)


def deploy_all(
    env: str,
    selection: Selection,
    *,
    yes: bool,
    parallel: int,
    plan: str | None,
    stale: bool,
    report: str | None,
) -> int:
    environment = _environment(env)
    if stale:
        if plan is not None or any(selection.values()):
            raise OrchestratorError("--stale chooses the layers itself: leave out the other options that do")
        return commands.deploy_stale(_open(environment), terminal(report=report), yes=yes, parallel=parallel)
    approved = None if plan is None else plans.load(path_argument(plan))
    layers = choose(MONOREPO, env, **selection)
    output = terminal(report=report)
    workspace = _open(environment)
    return commands.deploy_all(workspace, output, yes=yes, parallel=parallel, layers=layers, approved=approved)


def preview_all(
    env: str, selection: Selection, *, parallel: int, save: str | None, expect_no_changes: bool, report: str | None
) -> int:
    environment = _environment(env)
    file = None if save is None else require_writable(plans.require_replaceable(path_argument(save)))
    layers = choose(MONOREPO, env, **selection)
    output = terminal(report=report)
    return commands.preview_all(
        _open(environment),
        output,
        parallel=parallel,
        layers=layers,
        save=file,
        expect_no_changes=expect_no_changes,
    )


def resume(env: str, *, yes: bool, parallel: int, report: str | None) -> int:
    environment, output = _environment(env), terminal(report=report)
    return commands.resume(_open(environment), output, yes=yes, parallel=parallel)


def destroy_all(env: str, *, yes: bool, parallel: int, report: str | None) -> int:
    environment, output = _environment(env), terminal(report=report)
    return commands.destroy_all(_open(environment), output, yes=yes, parallel=parallel)


def up(env: str, layer: str, *, yes: bool, refresh: bool) -> int:
    environment = _environment(env)
    chosen = one(MONOREPO, env, layer)
    return commands.up(_open(environment), terminal(), chosen, yes=yes, refresh=refresh)


def rotate(env: str, what: str, *, yes: bool) -> int:
    environment = _environment(env)
    rotation = rotations.find(what)
    for layer in (rotations.SECURITY, rotations.DATA):
        one(MONOREPO, env, layer)
    return rotations.rotate(_open(environment), terminal(), rotation, yes=yes)


def preview(env: str, layer: str) -> int:
    environment = _environment(env)
    chosen = one(MONOREPO, env, layer)
    return commands.preview(_open(environment), terminal(), chosen)


def destroy(env: str, layer: str, *, yes: bool) -> int:
    return commands.destroy(_open(_environment(env)), terminal(), layer, yes=yes)


def outputs(env: str, format: str) -> None:
    environment = _environment(env)
    found = cache(lambda: commands.outputs(_open(environment)))
    show(
        format,
        table=lambda: render_status.outputs_as_table(found()),
        json=lambda: json.dumps(found(), indent=2),
        env=lambda: render_status.outputs_as_env(found(), _access(environment)),
    )


def _access(environment: Environment) -> dict[str, str]:
    """Return the variables with which an application reaches a local environment; none for an environment on AWS."""
    if not environment.is_local:
        return {}
    variables = LOCAL_CLOUD.variables()
    return {name: value for name, value in variables.items() if name.startswith("AWS_")} | LOCAL_CLOUD.trust()


def drift(env: str, format: str, parallel: int) -> int:
    environment = _environment(env)
    found = cache(lambda: commands.drift(_open(environment), console(stderr=True), parallel))
    show(
        format,
        text=lambda: render_drift.as_text(found(), MONOREPO),
        json=lambda: render_drift.as_json(found()),
    )
    return found().exit_code


def cost(env: str, format: str, parallel: int) -> None:
    from tools.orchestrator.render import cost as render_cost  # noqa: PLC0415 (reads the price book)

    environment = _environment(env)
    choose(MONOREPO, env)  # all layers, or the reason why not
    output = terminal(stderr=True)
    workspace = cache(lambda: commands.open_for_estimate(MONOREPO, environment))
    found = cache(lambda: commands.estimate(workspace(), output, parallel=parallel))
    show(format, table=lambda: render_cost.as_table(found()), json=lambda: render_cost.as_json(found()))
    if format == "table":
        print("\n".join(render_cost.notes(found())))


def status(env: str) -> None:
    commands.status(_open(_environment(env)), console())


def environments(format: str) -> None:
    found = lifetimes(MONOREPO)
    show(
        format,
        table=lambda: render_environments.as_table(found),
        json=lambda: render_environments.as_json(found),
    )


def new_env(name: str, like: str, expires: str | None) -> None:
    new = create(MONOREPO, name, like, None if expires is None else parse_expiry(expires))
    print(render_environments.creation(new, MONOREPO, name))


def diff_env(one_env: str, other: str, format: str) -> None:
    found = differences(MONOREPO, one_env, other)
    show(
        format,
        table=lambda: render_settings.as_table(found, one_env, other),
        json=lambda: render_settings.as_json(found),
    )


def affected(base: str, env: str | None, format: str) -> None:
    if env is not None:
        _environment(env)
    found = affected_layers(MONOREPO, base, env)
    show(
        format,
        text=lambda: render_affected.as_text(found, MONOREPO),
        json=lambda: render_affected.as_json(found),
    )


def contracts(against: str | None, against_env: str | None) -> int:
    from tools.orchestrator.contracts import compatibility  # noqa: PLC0415 (the contracts import the SDK)
    from tools.orchestrator.render.contracts import changes_table, outputs_table  # noqa: PLC0415 (as above)
    from tools.txmon import outputs_lock  # noqa: PLC0415 (as above)

    now = outputs_lock.schemas()
    if against is None and against_env is None:
        console().print(outputs_table(now))
        return 0
    changes = []
    if against is not None:
        changes += compatibility.against_commit(MONOREPO.root, now, outputs_lock.readers, outputs_lock.PATH, against)
    if against_env is not None:
        changes += compatibility.against_environment(now, outputs_lock.readers, _open(_environment(against_env)))
    console().print(changes_table(changes))
    return int(any(change.fault for change in changes))


def unlock(env: str, layer: str, *, force: bool) -> None:
    workspace, may_break = _open(_environment(env)), may_break_lock(force=force)
    if layer == "all":
        recovery.unlock_all(workspace, may_break)
    else:
        recovery.unlock(workspace, layer, may_break)


def graph(format: str, env: str | None) -> None:
    from tools.orchestrator.render import graph as render_graph  # noqa: PLC0415 (only drawings need the layout)

    environment = None if env is None else _environment(env)
    healths = cache(lambda: {} if environment is None else commands.health(_open(environment)))

    def draw(name: str) -> str:
        return render_graph.FORMATS[name](MONOREPO, healths())

    show(format, **{name: partial(draw, name) for name in render_graph.FORMATS})


def doctor() -> None:
    console().print(diagnosis.installation(find_engine(commands.logger.info), LOCAL_CLOUD))
    console().print(diagnosis.completions())
    console().print(diagnosis.differences())


def local_env(port: int, provider: str) -> None:
    print(local.variables(MONOREPO, LOCAL_CLOUD, _environment("local"), port or None, provider))


def local_down() -> None:
    print(local.stop(MONOREPO, LOCAL_CLOUD))


def docs() -> None:
    from tools.txmon.docs import write_generated  # noqa: PLC0415 (the contracts import the SDK)

    print("\n".join(f"wrote {path}" for path in write_generated()) or "every generated file is current")
