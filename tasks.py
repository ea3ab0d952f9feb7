"""txmon's verbs, in the order of `./inv --list`: each reads its options and makes one call."""

import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context

from tools.localcloud import LocalCloudError
from tools.orchestrator.cli import streams
from tools.orchestrator.cli.options import Parallel, Port, path_argument, require_writable
from tools.orchestrator.cli.program import CommandLine
from tools.orchestrator.cli.verb import console, show, terminal
from tools.orchestrator.cli.verb import verb as product_verb
from tools.orchestrator.repository.environments import find_environment
from tools.orchestrator.repository.selection import choose, one
from tools.txmon.monorepo import LOCAL_CLOUD, MONOREPO

if TYPE_CHECKING:
    from tools.orchestrator.engine.workspace import Workspace
    from tools.orchestrator.model.monorepo import Environment

streams.replace_standard_streams()  # before invoke prints anything

verb = product_verb(MONOREPO.product, LocalCloudError)

ENV = "the environment: local (default), dev, prod or another that has stack files"
YES = "do not ask before a real environment is changed"
PARALLEL = "how many layers at a time"
REPORT = "write report.html, and report.md for a pull request, into this folder"
SELECTION = {
    "only": "only these layers, as in network,data",
    "from_": "only these layers and all that depend on them",
    "skip": "without these layers; those that read them rely on what is deployed",
    "affected": "only the layers that the change since this git ref affects, and their dependents",
}
AT_A_TIME = Parallel(4)


def environment(name: str) -> "Environment":
    return find_environment(MONOREPO, name)


def workspace(chosen: "Environment") -> "Workspace":
    from tools.orchestrator.cli.commands import open_environment

    return open_environment(MONOREPO, chosen)


@verb(
    help={"env": ENV, "yes": YES, "parallel": PARALLEL, "report": REPORT}
    | {"plan": "do what this plan (of preview-all --save) says"}
    | SELECTION
)
def deploy_all(
    _: Context,
    *,
    env: str = "local",
    yes: bool = False,
    parallel: int = AT_A_TIME,
    plan: str | None = None,
    report: str | None = None,
    only: str | None = None,
    from_: str | None = None,
    skip: str | None = None,
    affected: str | None = None,
) -> int:
    """Deploy every layer, side by side where the graph allows, and show what an application needs."""
    from tools.orchestrator.cli import commands
    from tools.orchestrator.run import plan as plans

    approved = None if plan is None else plans.load(path_argument(plan))
    chosen = environment(env)
    layers = choose(MONOREPO, env, only=only, from_=from_, skip=skip, since=affected)
    output = terminal(report=report)
    options = {"yes": yes, "parallel": parallel, "layers": layers, "approved": approved}
    return commands.deploy_all(workspace(chosen), output, **options)


@verb(
    help={"env": ENV, "parallel": PARALLEL, "report": REPORT}
    | {"save": "write the plan to this file, for deploy-all --plan"}
    | {"expect_no_changes": "exit with 2 if there are changes"}
    | SELECTION
)
def preview_all(
    _: Context,
    *,
    env: str = "local",
    parallel: int = AT_A_TIME,
    save: str | None = None,
    expect_no_changes: bool = False,
    report: str | None = None,
    only: str | None = None,
    from_: str | None = None,
    skip: str | None = None,
    affected: str | None = None,
) -> int:
    """Show what deploy-all would do, layer by layer; works before anything exists, and creates nothing."""
    from tools.orchestrator.cli import commands
    from tools.orchestrator.run.plan import require_replaceable

    file = None if save is None else require_writable(require_replaceable(path_argument(save)))
    chosen = environment(env)
    layers = choose(MONOREPO, env, only=only, from_=from_, skip=skip, since=affected)
    output = terminal(report=report)
    options = {"parallel": parallel, "layers": layers, "save": file, "expect_no_changes": expect_no_changes}
    return commands.preview_all(workspace(chosen), output, **options)


@verb(help={"env": ENV, "yes": YES, "parallel": PARALLEL, "report": REPORT})
def resume(
    _: Context, env: str = "local", yes: bool = False, parallel: int = AT_A_TIME, report: str | None = None
) -> int:
    """Go on from the last run, if it failed, was interrupted or was killed."""
    from tools.orchestrator.cli import commands

    chosen, output = environment(env), terminal(report=report)
    return commands.resume(workspace(chosen), output, yes=yes, parallel=parallel)


@verb(help={"env": ENV, "yes": YES, "parallel": PARALLEL, "report": REPORT})
def destroy_all(
    _: Context, env: str = "local", yes: bool = False, parallel: int = AT_A_TIME, report: str | None = None
) -> int:
    """Destroy every layer, readers first, after showing what goes and what stays."""
    from tools.orchestrator.cli import commands

    chosen, output = environment(env), terminal(report=report)
    return commands.destroy_all(workspace(chosen), output, yes=yes, parallel=parallel)


@verb(help={"env": ENV, "format": "table (default) or json", "parallel": PARALLEL})
def cost(_: Context, env: str = "local", format: str = "table", parallel: int = AT_A_TIME) -> None:
    """Estimate what an environment would cost a month on AWS, deployed or not; creates nothing."""
    from tools.orchestrator.cli import commands
    from tools.orchestrator.render import cost

    chosen = environment(env)
    choose(MONOREPO, env)  # all layers, or the reason why not
    found = functools.cache(lambda: commands.estimate(workspace(chosen), terminal(stderr=True), parallel=parallel))
    show(format, table=lambda: cost.as_table(found()), json=lambda: cost.as_json(found()))
    if format == "table":
        print("\n".join(cost.notes(found())))


@verb(
    help={"layer": "the layer to deploy", "env": ENV, "yes": YES}
    | {"refresh": "read from AWS first what has changed there, so that drift is reverted"}
)
def up(_: Context, layer: str, env: str = "local", yes: bool = False, refresh: bool = False) -> int:
    """Deploy one layer, if the layers it reads are deployed."""
    from tools.orchestrator.cli import commands

    chosen = environment(env)
    layer = one(MONOREPO, env, layer)
    return commands.up(workspace(chosen), terminal(), layer, yes=yes, refresh=refresh)


@verb(help={"layer": "the layer to preview", "env": ENV})
def preview(_: Context, layer: str, env: str = "local") -> int:
    """Show what up would do to one layer."""
    from tools.orchestrator.cli import commands

    chosen = environment(env)
    layer = one(MONOREPO, env, layer)
    return commands.preview(workspace(chosen), terminal(), layer)


@verb(help={"layer": "the layer to destroy", "env": ENV, "yes": YES})
def destroy(_: Context, layer: str, env: str = "local", yes: bool = False) -> int:
    """Destroy one layer, if no deployed layer reads it."""
    from tools.orchestrator.cli import commands

    return commands.destroy(workspace(environment(env)), terminal(), layer, yes=yes)


@verb(help={"env": ENV, "format": "table (default), json ({layer: {output: value}}) or env (lines of an .env file)"})
def outputs(_: Context, env: str = "local", format: str = "table") -> None:
    """Show the outputs of every deployed layer."""
    from tools.orchestrator.cli import commands
    from tools.orchestrator.render import status

    chosen = environment(env)
    found = functools.cache(lambda: commands.outputs(workspace(chosen)))
    show(
        format,
        table=lambda: status.outputs_as_table(found()),
        json=lambda: json.dumps(found(), indent=2),
        env=lambda: status.outputs_as_env(found()),
    )


@verb(
    help={"env": ENV, "parallel": PARALLEL}
    | {"format": "text (default) or json ({layer: [{resource, type, property, state, actual}]})"}
)
def drift(_: Context, env: str = "local", format: str = "text", parallel: int = AT_A_TIME) -> int:
    """Show where AWS differs from what was deployed, changing nothing; exit with 2 if it does."""
    from tools.orchestrator.cli import commands
    from tools.orchestrator.render import drift

    chosen = environment(env)
    found = functools.cache(lambda: commands.drift(workspace(chosen), console(stderr=True), parallel))
    show(format, text=lambda: drift.as_text(found(), MONOREPO), json=lambda: drift.as_json(found()))
    return found().exit_code


@verb(help={"env": ENV})
def status(_: Context, env: str = "local") -> None:
    """Show for each layer how its last update ended, when, what it holds and who has locked it; and what expired."""
    from tools.orchestrator.cli import commands

    commands.status(workspace(environment(env)), console())


@verb(help={"format": "table (default) or json"})
def environments(_: Context, format: str = "table") -> None:
    """Show every environment, where it lives and until when."""
    from tools.orchestrator.render import environments
    from tools.orchestrator.repository.new_environment import lifetimes

    found = lifetimes(MONOREPO)
    show(format, table=lambda: environments.as_table(found), json=lambda: environments.as_json(found))


@verb(
    help={
        "name": "the new environment; local-… lives on the local cloud",
        "like": "the environment whose settings it takes",
        "expires": "days from today (3d) or a date (2026-12-31); it is then not protected",
    }
)
def new_env(_: Context, name: str, like: str = "dev", expires: str | None = None) -> None:
    """Make the stack files of an environment like another one, and nothing else."""
    from tools.orchestrator.render.environments import creation
    from tools.orchestrator.repository.new_environment import create, parse_expiry

    new = create(MONOREPO, name, like, None if expires is None else parse_expiry(expires))
    print(creation(new, MONOREPO, name))


@verb(
    positional=["one", "other"],
    help={"one": "an environment", "other": "another", "format": "table (default) or json"},
)
def diff_env(_: Context, one: str, other: str, format: str = "table") -> None:
    """Show in which settings two environments differ, the code's defaults included."""
    from tools.orchestrator.render import settings
    from tools.orchestrator.repository.settings import differences

    found = differences(MONOREPO, one, other)
    show(format, table=lambda: settings.as_table(found, one, other), json=lambda: settings.as_json(found))


@verb(
    help={
        "against": "fail if readers cannot live with a change since this git ref",
        "against_env": "fail if readers cannot live with a change of what is deployed in this environment",
    }
)
def contracts(_: Context, against: str | None = None, against_env: str | None = None) -> int:
    """Show every output with its type and readers, or what has changed since a git ref or a deployment."""
    from tools.orchestrator.contracts import compatibility
    from tools.orchestrator.render.contracts import changes_table, outputs_table
    from tools.txmon import lock

    now = lock.schemas()
    if against is None and against_env is None:
        console().print(outputs_table(now))
        return 0
    changes = []
    if against is not None:
        changes += compatibility.against_commit(MONOREPO.root, now, lock.readers, lock.PATH, against)
    if against_env is not None:
        changes += compatibility.against_environment(now, lock.readers, workspace(environment(against_env)))
    console().print(changes_table(changes))
    return int(any(change.fault for change in changes))


@verb(
    help={
        "base": "the git ref that the change began at, as in origin/main",
        "env": "leave out the settings of other environments",
        "format": "text (default), or json on one line for a CI matrix",
    }
)
def affected(_: Context, base: str, env: str | None = None, format: str = "text") -> None:
    """Show which layers a change touches, and those that depend on them."""
    from tools.orchestrator.render import affected
    from tools.orchestrator.repository.affected import affected as affected_layers

    chosen = None if env is None else environment(env).name
    found = affected_layers(MONOREPO, base, chosen)
    show(format, text=lambda: affected.as_text(found, MONOREPO), json=lambda: affected.as_json(found))


@verb(
    help={
        "layer": "the layer to free, or all: every layer and the environment's own lock",
        "env": ENV,
        "force": "also when the owner may still be at work",
    }
)
def unlock(_: Context, layer: str, env: str = "local", force: bool = False) -> None:
    """Free what a killed run has left locked, and resolve its pending operations."""
    from tools.orchestrator.cli.prompts import may_break_lock
    from tools.orchestrator.run import recovery

    opened = workspace(environment(env))
    if layer == "all":
        recovery.unlock_all(opened, may_break_lock(force=force))
    else:
        recovery.unlock(opened, layer, may_break_lock(force=force))


@verb(
    help={
        "format": "text (default), mermaid, dot or svg",
        "env": "colour each layer by its health in this environment (default: no colours)",
    }
)
def graph(_: Context, format: str = "text", env: str | None = None) -> None:
    """Show which layer reads which."""
    from tools.orchestrator.cli import commands
    from tools.orchestrator.render import graph

    chosen = None if env is None else environment(env)
    healths = functools.cache(lambda: {} if chosen is None else commands.health(workspace(chosen)))
    show(format, **{name: functools.partial(_draw, draw, healths) for name, draw in graph.FORMATS.items()})


def _draw(draw, healths) -> str:  # type: ignore[no-untyped-def] # noqa: ANN001
    return draw(MONOREPO, healths())


@verb()
def doctor(_: Context) -> None:
    """Show what is installed, what runs, and what the local cloud does not really do."""
    from tools.engine.install import find_engine
    from tools.orchestrator.cli.commands import logger
    from tools.txmon import doctor

    console().print(doctor.installation(find_engine(logger.info), LOCAL_CLOUD))
    console().print(doctor.differences())


@verb(
    help={
        "port": "the emulator's port (default: a free one)",
        "provider": "embedded or plugin (Pulumi's own, where it is installed), from now on",
    }
)
def local_env(_: Context, port: int = Port(0), provider: str = "") -> None:
    """Start the local cloud and print the variables that lead plain pulumi, aws and boto3 to it."""
    from tools.txmon import local

    print(local.variables(MONOREPO, LOCAL_CLOUD, environment("local"), port or None, provider))


@verb()
def local_down(_: Context) -> None:
    """Stop the local cloud; it keeps its resources for the next start."""
    from tools.txmon import local

    print(local.stop(MONOREPO, LOCAL_CLOUD))


@verb(help={"unit": "only the fast tests, without engine and cloud", "select": "pytest's -k"})
def test(_: Context, unit: bool = False, select: str = "") -> int:
    """Run the tests: all of them, from unit to end to end."""
    # A file's end-to-end tests share a local cloud and go in order; the long files are collected first.
    side_by_side = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
    chosen = [*(["-m", "not local"] if unit else []), *(["-k", select] if select else [])]
    return _call([sys.executable, "-m", "pytest", *side_by_side, *chosen])


@verb()
def check(_: Context) -> int:
    """Check style, formatting, types and the imports between rooms (ruff, mypy, import-linter)."""
    commands = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"])
    return max(_call([str(Path(sys.executable).with_name(name)), *arguments]) for name, *arguments in commands)


@verb()
def docs(_: Context) -> None:
    """Generate the tables in the READMEs and the lock file of the contracts."""
    from tools.txmon.docs import write_generated

    print("\n".join(f"wrote {path}" for path in write_generated()) or "every generated file is current")


@verb(help={"scale": "instead: how time and memory grow over generated monorepos of 5, 20 and 60 layers"})
def bench(_: Context, scale: bool = False) -> int:
    """Time deploy-all, a deploy-all without changes and destroy-all beside the plain loop of pulumi."""
    return _call([sys.executable, "-m", "benchmarks.scale" if scale else "benchmarks.deploy"])


def _call(command: list[str]) -> int:
    import shlex
    import subprocess

    print(shlex.join(command), flush=True)
    return subprocess.call(command)


program = CommandLine(Collection.from_module(sys.modules[__name__]))
