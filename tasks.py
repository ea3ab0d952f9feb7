"""txmon's verbs. `./inv --list` is the first page of the manual; `./inv --help VERB` the second."""

import functools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tools.orchestrator.cli import streams
from tools.orchestrator.cli.program import CommandLine

streams.take_over()  # before invoke prints anything

ENV = "the environment: local (default), dev, prod or another that has stack files"
YES = "do not ask before a real environment is changed"
WIDE = 200
"""Columns of a table that no terminal shows, so that no value is broken over lines."""
PARALLEL = "how many layers at a time"
REPORT = "write report.html, and report.md for a pull request, into this folder"
CHOICE = {
    "only": "only these layers, as in network,data",
    "from_": "only these layers and all that depend on them",
    "skip": "without these layers; those that read them rely on what is deployed",
    "affected": "only the layers that the change since this git ref affects, and their dependents",
}


class Number(int):
    """A whole number as an option of the class's name; a default's type is what invoke reads the option with."""

    least = 0
    most = sys.maxsize

    def __new__(cls, given: Any) -> Self:
        if str(given).isascii() and str(given).isdigit() and cls.least <= int(given) <= cls.most:
            return super().__new__(cls, given)
        allowed = f"{cls.least} or more" if cls.most == sys.maxsize else f"from {cls.least} to {cls.most}"
        raise Exit(f"txmon: --{cls.__name__.lower()} {given!r} has to be a whole number, {allowed}", code=1)


class Parallel(Number):
    least = 1


class Port(Number):
    most = 65535


AT_A_TIME = Parallel(4)
"""Layers, unless told otherwise."""


def verb(**options: Any) -> Callable[[Callable[..., int | None]], Any]:
    """A task whose errors are one sentence each and whose result is the exit code."""

    def decorate(function: Callable[..., int | None]) -> Any:
        @functools.wraps(function)
        def run(context: Context, *args: Any, **kwargs: Any) -> None:
            from shared.errors import Ended, TxmonError
            from tools.localcloud import LocalCloudError
            from tools.orchestrator.engine import errors

            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)  # which ./inv has taken away
                code = function(context, *args, **kwargs)
            except (TxmonError, LocalCloudError) as error:
                raise Exit(f"txmon: {error}", code=1) from None
            except OSError as error:
                raise Exit(f"txmon: {errors.of_system(error)}", code=1) from None
            except KeyboardInterrupt:
                raise Exit("txmon: interrupted", code=130) from None
            except Ended as end:
                code = end.code
            if code:
                raise Exit(code=code)

        return task(run, **options)

    return decorate


def say(line: str) -> None:
    print(f"txmon: {line}", file=sys.stderr, flush=True)


def console(*, stderr: bool = False) -> Any:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDE
    # What is shown comes from AWS and from code: no word of it is markup, an emoji or a number to colour.
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def terminal(*, stderr: bool = False, report: str | None = None) -> Any:
    from tools.orchestrator.cli.commands import Terminal

    folder = None if report is None else writable(path(report) / "report.html").parent
    return Terminal(console(stderr=stderr), say, folder)


def path(given: str) -> Path:
    """A file or folder that an argument names: it counts from where the user stands, `./inv` works in its own.

    Raises:
        TxmonError: the name is empty, as that of a variable which is not set.
    """
    from shared.errors import TxmonError

    if not given:
        raise TxmonError("the name of a file or folder is empty")
    named = Path(os.path.normpath(Path(os.environ.get("TXMON_CALLED_FROM", ""), given)))
    return named.relative_to(Path.cwd()) if named.is_relative_to(Path.cwd()) else named


def writable(file: Path) -> Path:
    """A file that can be written: better to know before a run than after it.

    Raises:
        TxmonError: it cannot.
    """
    from shared.errors import TxmonError

    try:
        if file.exists():
            file.open("a").close()
        else:
            TemporaryFile(dir=next(path for path in file.parents if path.exists())).close()
    except OSError:
        raise TxmonError(f"{file} cannot be written: name another place") from None
    return file


def workspace(env: str) -> Any:
    from tools.orchestrator.engine.workspace import open_workspace

    return open_workspace(env, say)


def show(chosen: str, **formats: Callable[[], Any]) -> None:
    """Print a result in the chosen format: text as it is, a table as wide as it needs."""
    from shared.errors import TxmonError

    if chosen not in formats:
        raise TxmonError(f"there is no format {chosen!r}; there are: {', '.join(formats)}")
    result = formats[chosen]()
    print(result) if isinstance(result, str) else console().print(result)


def layers(
    env: str,
    only: str | None = None,
    from_: str | None = None,
    skip: str | None = None,
    affected: str | None = None,
) -> list[str]:
    from tools.orchestrator.repository.selection import choose

    return choose(env, say, only=only, from_=from_, skip=skip, since=affected)


def one_layer(env: str, name: str) -> str:
    from tools.orchestrator.repository.selection import one

    return one(env, name)


@verb(
    help={
        "env": ENV,
        "yes": YES,
        "parallel": PARALLEL,
        "plan": "do what this plan (of preview-all --save) says",
        "report": REPORT,
    }
    | CHOICE
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
    from tools.orchestrator.run.plan import Plan

    approved = None if plan is None else Plan.load(path(plan))
    chosen = layers(env, only, from_, skip, affected)
    return commands.deploy_all(
        workspace(env), terminal(report=report), yes=yes, parallel=parallel, layers=chosen, approved=approved
    )


@verb(
    help={
        "env": ENV,
        "parallel": PARALLEL,
        "save": "write the plan to this file, for deploy-all --plan",
        "expect_no_changes": "exit with 2 if there are changes",
        "report": REPORT,
    }
    | CHOICE
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
    from tools.orchestrator.run.plan import room_for_plan

    file = None if save is None else writable(room_for_plan(path(save)))
    chosen = layers(env, only, from_, skip, affected)
    return commands.preview_all(
        workspace(env),
        terminal(report=report),
        parallel=parallel,
        layers=chosen,
        save=file,
        expect_no_changes=expect_no_changes,
    )


@verb(help={"env": ENV, "yes": YES, "parallel": PARALLEL, "report": REPORT})
def resume(
    _: Context, env: str = "local", yes: bool = False, parallel: int = AT_A_TIME, report: str | None = None
) -> int:
    """Go on from the last run, if it failed, was interrupted or was killed."""
    from tools.orchestrator.cli import commands

    return commands.resume(workspace(env), terminal(report=report), yes=yes, parallel=parallel)


@verb(help={"env": ENV, "yes": YES, "parallel": PARALLEL, "report": REPORT})
def destroy_all(
    _: Context, env: str = "local", yes: bool = False, parallel: int = AT_A_TIME, report: str | None = None
) -> int:
    """Destroy every layer, readers first, once it is told what goes and what stays."""
    from tools.orchestrator.cli import commands

    return commands.destroy_all(workspace(env), terminal(report=report), yes=yes, parallel=parallel)


@verb(help={"env": ENV, "format": "table (default) or json", "parallel": PARALLEL})
def cost(_: Context, env: str = "local", format: str = "table", parallel: int = AT_A_TIME) -> None:
    """Estimate what an environment would cost a month on AWS, deployed or not; creates nothing."""
    from tools.orchestrator.cli import commands
    from tools.orchestrator.run import cost

    layers(env)  # all of them, or the reason why not
    found = functools.cache(lambda: commands.estimate(workspace(env), terminal(stderr=True), parallel=parallel))
    show(format, table=lambda: cost.as_table(found()), json=lambda: cost.as_json(found()))
    if format == "table":
        print("\n".join(cost.notes(found())))


@verb(
    help={
        "layer": "the layer to deploy",
        "env": ENV,
        "yes": YES,
        "refresh": "ask AWS first what has become of it, so that drift is put back",
    }
)
def up(_: Context, layer: str, env: str = "local", yes: bool = False, refresh: bool = False) -> int:
    """Deploy one layer, if the layers it reads are deployed."""
    from tools.orchestrator.cli import commands

    chosen = one_layer(env, layer)
    return commands.up(workspace(env), terminal(), chosen, yes=yes, refresh=refresh)


@verb(help={"layer": "the layer to preview", "env": ENV})
def preview(_: Context, layer: str, env: str = "local") -> int:
    """Show what up would do to one layer."""
    from tools.orchestrator.cli import commands

    chosen = one_layer(env, layer)
    return commands.preview(workspace(env), terminal(), chosen)


@verb(help={"layer": "the layer to destroy", "env": ENV, "yes": YES})
def destroy(_: Context, layer: str, env: str = "local", yes: bool = False) -> int:
    """Destroy one layer, if no deployed layer reads it."""
    from tools.orchestrator.cli import commands

    return commands.destroy(workspace(env), terminal(), layer, yes=yes)


@verb(
    help={"env": ENV, "format": "table (default), json ({layer: {output: value}}) or env (for an application's .env)"}
)
def outputs(_: Context, env: str = "local", format: str = "table") -> None:
    """Show the outputs of every deployed layer."""
    from tools.orchestrator.render import status

    found = functools.cache(lambda: status.outputs(workspace(env)))
    show(
        format,
        table=lambda: status.outputs_as_table(found()),
        json=lambda: json.dumps(found(), indent=2),
        env=lambda: status.outputs_as_env(found()),
    )


@verb(
    help={
        "env": ENV,
        "format": "text (default) or json ({layer: [{resource, type, property, state, actual}]})",
        "parallel": PARALLEL,
    }
)
def drift(_: Context, env: str = "local", format: str = "text", parallel: int = AT_A_TIME) -> int:
    """Show where AWS differs from what was deployed, changing nothing; exit with 2 if it does."""
    from tools.orchestrator.run import drift

    found = functools.cache(lambda: drift.find(workspace(env), console(stderr=True), parallel))
    show(format, text=lambda: drift.as_text(found()), json=lambda: drift.as_json(found()))
    return found().exit_code


@verb(help={"env": ENV})
def status(_: Context, env: str = "local") -> None:
    """Show for each layer how its last update ended, when, what it holds and who has locked it; and what expired."""
    from shared.environments import incomplete
    from tools.orchestrator.render import status
    from tools.orchestrator.repository import new_environment

    found = status.status(workspace(env), say)
    console().print(found.as_table())
    for line in found.what_next():
        print(line)
    if fault := incomplete(env):
        print(fault)
    for lifetime in new_environment.lifetimes():
        if lifetime.expired:
            print(lifetime)


@verb(help={"format": "table (default) or json"})
def environments(_: Context, format: str = "table") -> None:
    """Show every environment, where it lives and until when."""
    from tools.orchestrator.repository import new_environment

    found = new_environment.lifetimes()
    show(format, table=lambda: new_environment.as_table(found), json=lambda: new_environment.as_json(found))


@verb(
    help={
        "name": "the new environment; local-… lives on the local cloud",
        "like": "the environment whose settings it takes",
        "expires": "days from today (3d) or a date (2026-12-31); it is then not protected",
    }
)
def new_env(_: Context, name: str, like: str = "dev", expires: str | None = None) -> None:
    """Make the stack files of an environment like another one, and nothing else."""
    from tools.orchestrator.repository import new_environment

    made = new_environment.make_environment(
        name, like, None if expires is None else new_environment.parse_expiry(expires)
    )
    print("\n".join([*made.said, f"next: ./inv deploy-all --env {name}"]))


@verb(
    positional=["one", "other"],
    help={"one": "an environment", "other": "another", "format": "table (default) or json"},
)
def diff_env(_: Context, one: str, other: str, format: str = "table") -> None:
    """Show in which settings two environments differ, the code's defaults included."""
    from tools.orchestrator.repository import settings

    found = settings.differences(one, other)
    show(format, table=lambda: settings.as_table(found, one, other), json=lambda: settings.as_json(found))


@verb(
    help={
        "against": "fail if the change since this git ref breaks a promise",
        "against_env": "fail if the outputs that are deployed in this environment are not kept",
    }
)
def contracts(_: Context, against: str | None = None, against_env: str | None = None) -> int:
    """Show every output with its type and readers; or what became of those of a git ref or an environment."""
    from tools.orchestrator.contracts import compatibility

    if against is None and against_env is None:
        console().print(compatibility.outputs_table())
        return 0
    found = compatibility.against_commit(against) if against is not None else []
    found += compatibility.against_environment(workspace(against_env)) if against_env is not None else []
    console().print(compatibility.changes_table(found))
    return int(any(change.fault for change in found))


@verb(
    help={
        "base": "the git ref that the change began at, as in origin/main",
        "env": "leave out the settings of other environments",
        "format": "text (default), or json on one line for a CI matrix",
    }
)
def affected(_: Context, base: str, env: str | None = None, format: str = "text") -> None:
    """Show which layers a change touches, and those that depend on them."""
    from tools.orchestrator.repository import affected

    found = affected.affected(base, env)
    show(format, text=lambda: affected.as_text(found), json=lambda: affected.as_json(found))


@verb(
    help={
        "layer": "the layer to free, or all: every layer and the environment's own lock",
        "env": ENV,
        "force": "also when the owner may still be at work",
    }
)
def unlock(_: Context, layer: str, env: str = "local", force: bool = False) -> None:
    """Free what a killed run has left locked, and settle what it was in the middle of."""
    from tools.orchestrator.run import recovery

    if layer == "all":
        recovery.unlock_all(workspace(env), say, force=force)
    else:
        recovery.unlock(workspace(env), layer, say, force=force)


@verb(
    help={
        "format": "text (default), mermaid, dot or svg",
        "env": "colour each layer by how it is in this environment (default: no colours)",
    }
)
def graph(_: Context, format: str = "text", env: str | None = None) -> None:
    """Show which layer reads which."""
    from tools.orchestrator.render import graph, status

    states = functools.cache(lambda: {} if env is None else status.conditions(workspace(env)))
    show(format, **{form: lambda draw=draw: draw(states()) for form, draw in graph.FORMS.items()})


@verb()
def doctor(_: Context) -> None:
    """Show what is installed, what runs, and what the local cloud does not really do."""
    from tools.engine.install import find_engine
    from tools.orchestrator.render import status

    screen = console()
    screen.print(status.doctor_table(find_engine(say)))
    screen.print(status.gaps_table())


@verb(
    help={
        "port": "the emulator's port (default: a free one)",
        "provider": "embedded or plugin (Pulumi's own, where it is installed), from now on",
    }
)
def local_env(_: Context, port: int = Port(0), provider: str = "") -> None:
    """Start the local cloud and print the variables that lead plain pulumi, aws and boto3 to it."""
    from tools.orchestrator.cli import commands

    print(commands.local_env(say, port or None, provider))


@verb()
def local_down(_: Context) -> None:
    """Stop the local cloud; it keeps its resources for the next start."""
    from tools.orchestrator.cli import commands

    print(commands.local_down())


@verb(help={"unit": "only the fast tests, without engine and cloud", "select": "pytest's -k"})
def test(_: Context, unit: bool = False, select: str = "") -> int:
    """Run the tests: all of them, from unit to end to end."""
    # A file's end-to-end tests share a local cloud and go in order; the long files are collected first.
    side_by_side = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
    chosen = [*(["-m", "not local"] if unit else []), *(["-k", select] if select else [])]
    return _passed_on([sys.executable, "-m", "pytest", *side_by_side, *chosen])


@verb()
def check(_: Context) -> int:
    """Check style, formatting and types (ruff, mypy)."""
    python = [sys.executable, "-m"]
    commands = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"])
    return max(_passed_on([*python, *command]) for command in commands)


@verb()
def docs(_: Context) -> None:
    """Make the tables in the READMEs anew from contracts, settings and the graph."""
    from tools.txmon.docs import write_readmes

    print("\n".join(f"wrote {path}" for path in write_readmes()) or "every table is current")


@verb(help={"scale": "in its place: how time and memory grow over generated monorepos of 5, 20 and 60 layers"})
def bench(_: Context, scale: bool = False) -> int:
    """Time deploy-all, a deploy-all without changes and destroy-all beside the plain loop of pulumi."""
    return _passed_on([sys.executable, "-m", "benchmarks.scale" if scale else "benchmarks.deploy"])


def _passed_on(command: list[str]) -> int:
    import shlex
    import subprocess

    print(shlex.join(command), flush=True)
    return subprocess.call(command)


program = CommandLine(Collection.from_module(sys.modules[__name__]))
