"""txmon's verbs. `./inv --list` is the first page of the manual; `./inv --help VERB` the second.

A verb returns its exit code, None for 0. It loads what it does only when it runs, so that the manual is quick.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

if "invoke.main" in sys.modules:  # called by `invoke` or `inv`, of whatever installation
    launcher = str(Path(__file__).with_name("inv"))
    os.execv(launcher, [launcher, *sys.argv[1:]])  # noqa: S606 (needs no shell)

from invoke.collection import Collection
from invoke.context import Context

from tools.engine.errors import EngineError
from tools.localcloud.errors import LocalCloudError
from tools.orchestrator.cli import streams
from tools.orchestrator.cli.options import Parallel, Port
from tools.orchestrator.cli.program import CommandLine
from tools.orchestrator.cli.verb import Verb
from tools.orchestrator.model.errors import OrchestratorError

streams.replace_standard_streams()  # before invoke prints anything

HELP = {
    "env": "the environment: local (default), dev, prod or another that has stack files",
    "yes": "do not ask before a real environment is changed",
    "parallel": "how many layers at a time",
    "report": "write report.html, and report.md for a pull request, into this folder",
    "only": "only these layers, as in network,data",
    "from_": "only these layers and all that depend on them",
    "skip": "without these layers; those that read them rely on what is deployed",
    "affected": "only the layers that the change since this git ref affects, and their dependents",
    "layer": "the layer",
    "format": "table (default) or json",
}
AT_A_TIME = Parallel(4)
TASK_SECONDS = 2 * 60 * 60
"""How long a check, the tests or a benchmark may take; the longest takes half an hour on two cores."""


def verbs() -> ModuleType:
    from tools.txmon import verbs

    return verbs


def flow() -> ModuleType:
    from tools.txmon.flow import verbs

    return verbs


def recovery() -> ModuleType:
    from tools.txmon.recovery import verbs

    return verbs


verb = Verb("txmon", HELP, Path(__file__).with_name(".txmon"), (EngineError, LocalCloudError))


@verb(
    plan="do what this plan (of preview-all --save) says",
    stale="only the layers that read what has changed since, and those that this makes stale",
)
def deploy_all(
    _: Context,
    *,
    env: str = "local",
    yes: bool = False,
    parallel: int = AT_A_TIME,
    plan: str | None = None,
    stale: bool = False,
    report: str | None = None,
    only: str | None = None,
    from_: str | None = None,
    skip: str | None = None,
    affected: str | None = None,
) -> int:
    """Deploy every layer, in parallel where the graph allows, and show the outputs that applications use."""
    selection = verbs().Selection(only=only, from_=from_, skip=skip, affected=affected)
    return verbs().deploy_all(env, selection, yes=yes, parallel=parallel, plan=plan, stale=stale, report=report)


@verb(
    save="write the plan to this file, for deploy-all --plan",
    expect_no_changes="exit with 2 if there are changes",
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
    selection = verbs().Selection(only=only, from_=from_, skip=skip, affected=affected)
    return verbs().preview_all(
        env, selection, parallel=parallel, save=save, expect_no_changes=expect_no_changes, report=report
    )


@verb()
def resume(
    _: Context, env: str = "local", yes: bool = False, parallel: int = AT_A_TIME, report: str | None = None
) -> int:
    """Go on from the last run, if it failed, was interrupted or was killed."""
    return verbs().resume(env, yes=yes, parallel=parallel, report=report)


@verb()
def destroy_all(
    _: Context, env: str = "local", yes: bool = False, parallel: int = AT_A_TIME, report: str | None = None
) -> int:
    """Destroy every layer, readers first, after showing what goes and what stays."""
    return verbs().destroy_all(env, yes=yes, parallel=parallel, report=report)


@verb(refresh="read from AWS first what has changed there, so that drift is reverted")
def up(_: Context, layer: str, env: str = "local", yes: bool = False, refresh: bool = False) -> int:
    """Deploy one layer, if the layers it reads are deployed."""
    return verbs().up(env, layer, yes=yes, refresh=refresh)


@verb(positional=["what"], what="database (PostgreSQL's master password) or redis (its AUTH token)")
def rotate(_: Context, what: str, env: str = "local", yes: bool = False) -> int:
    """Make a new password for the database or Redis, and end the old one; continues if it was interrupted."""
    return verbs().rotate(env, what, yes=yes)


@verb()
def preview(_: Context, layer: str, env: str = "local") -> int:
    """Show what up would do to one layer."""
    return verbs().preview(env, layer)


@verb()
def destroy(_: Context, layer: str, env: str = "local", yes: bool = False) -> int:
    """Destroy one layer, if no deployed layer reads it."""
    return verbs().destroy(env, layer, yes=yes)


@verb(format="table (default), json ({layer: {output: value}}) or env (lines of an .env file)")
def outputs(_: Context, env: str = "local", format: str = "table") -> None:
    """Show the outputs of every deployed layer."""
    verbs().outputs(env, format)


@verb()
def status(_: Context, env: str = "local") -> None:
    """Show each layer's status, last update, resources and lock, and the environments that have expired."""
    verbs().status(env)


@verb(format="text (default) or json ({layer: [{resource, type, property, state, actual}]})")
def drift(_: Context, env: str = "local", format: str = "text", parallel: int = AT_A_TIME) -> int:
    """Show where AWS differs from what was deployed, changing nothing; exit with 2 if it does."""
    return verbs().drift(env, format, parallel)


@verb()
def cost(_: Context, env: str = "local", format: str = "table", parallel: int = AT_A_TIME) -> None:
    """Estimate what an environment would cost a month on AWS, deployed or not; creates nothing."""
    verbs().cost(env, format, parallel)


@verb(
    layer="the layer to free, or all: every layer and the environment's own lock",
    force="also if the owner may still be running",
)
def unlock(_: Context, layer: str, env: str = "local", force: bool = False) -> None:
    """Free what a killed run has left locked, and resolve its pending operations."""
    verbs().unlock(env, layer, force=force)


@verb(
    count="how many sample transactions (default: 100)",
    rate="how fast, as in 1000/min (default: as fast as the stream takes them)",
    for_="how long at that rate, as in 1m (the default) or 30s",
    file="instead of samples: the transactions in this file, a JSON object a line",
)
def send(
    _: Context,
    *,
    env: str = "local",
    count: str | None = None,
    rate: str | None = None,
    for_: str | None = None,
    file: str | None = None,
    yes: bool = False,
) -> int:
    """Put transactions on the stream with the producer's rights, and show how many it accepted."""
    return flow().send(env, count=count, rate=rate, for_=for_, file=file, yes=yes)


@verb(for_="how long: 10m (default), or as in 30s or 2h; Ctrl-C ends it before")
def watch(_: Context, env: str = "local", for_: str = "10m") -> None:
    """Show live what is put, stored and rejected, the newest transactions, and the alarms that ring."""
    flow().watch(env, for_)


@verb(positional=["name"], name="the alarm, as in database-down; projects/monitoring/alarms.md lists them")
def alarm_test(_: Context, name: str, env: str = "local", yes: bool = False) -> None:
    """Set an alarm, show that its notifications arrive at a queue that subscribes for the test, and end it."""
    flow().alarm_test(env, name, yes=yes)


@verb(id="the transaction with this id", customer="the newest transactions of this customer")
def transactions(
    _: Context, env: str = "local", id: str | None = None, customer: str | None = None, format: str = "table"
) -> None:
    """Show transactions as PostgreSQL and Redis have them; without an option, the newest of the last hour."""
    flow().transactions(env, id, customer, format)


@verb(replay="hand the records of each message to the consumer again, and delete it once they are stored")
def dead_letters(
    _: Context, env: str = "local", replay: bool = False, yes: bool = False, format: str = "table"
) -> int:
    """Show Lambda's messages about batches that it discarded, or replay them from the stream."""
    return flow().dead_letters(env, replay=replay, yes=yes, format=format)


@verb(
    replay="put these records on the stream again, as in ID,ID or all, and note them as resolved",
    file="put the transactions in this file instead, a JSON object a line, in the order of --replay",
)
def rejected(
    _: Context,
    env: str = "local",
    replay: str | None = None,
    file: str | None = None,
    yes: bool = False,
    format: str = "table",
) -> int:
    """Show the records that are not transactions, each with the reason, or put them on the stream again."""
    return flow().rejected(env, replay, file, yes=yes, format=format)


@verb()
def rebuild_history(_: Context, env: str = "local", yes: bool = False) -> None:
    """Write the last `historyHours` from PostgreSQL to Redis, as after a failover that lost some."""
    flow().rebuild_history(env, yes=yes)


@verb(since="from when on, as in 2026-11-28T03:00:00Z")
def replay(_: Context, since: str, env: str = "local", yes: bool = False) -> None:
    """Hand what the stream has since then to the consumer again, as after PostgreSQL was restored."""
    flow().replay(env, since, yes=yes)


@verb(
    snapshot="the snapshot's name",
    to="the time, as in 2026-11-28T03:00:00Z, or latest",
)
def restore(
    _: Context,
    env: str = "local",
    snapshot: str | None = None,
    to: str | None = None,
    yes: bool = False,
    parallel: int = AT_A_TIME,
) -> int:
    """Replace PostgreSQL by a snapshot or an earlier state of itself; without an option, show what there is."""
    return recovery().restore(env, snapshot, to, yes=yes, parallel=parallel)


@verb(positional=["what"], what="restore: of PostgreSQL, from a snapshot that is taken for it")
def drill(_: Context, what: str, env: str = "local", yes: bool = False, parallel: int = AT_A_TIME) -> None:
    """Practise a recovery in an environment that is not protected, and measure how long it takes."""
    recovery().drill(env, what, yes=yes, parallel=parallel)


@verb(positional=["query"], query="one SELECT, as in 'SELECT count(*) FROM transactions'")
def sql(_: Context, query: str, env: str = "local", format: str = "table") -> None:
    """Read PostgreSQL in an emergency, with a query that is logged; off unless `operatorAccess` is set."""
    flow().sql(env, query, format)


@verb()
def findings(_: Context, env: str = "local", format: str = "table") -> None:
    """Show the transactions that a rule has found."""
    flow().findings(env, format)


@verb()
def environments(_: Context, format: str = "table") -> None:
    """Show every environment, where it lives and until when."""
    verbs().environments(format)


@verb(
    name="the new environment; local-… is deployed to the local cloud",
    like="the environment whose settings it takes",
    expires="days from today (3d) or a date (2026-12-31); it is then not protected",
)
def new_env(_: Context, name: str, like: str = "dev", expires: str | None = None) -> None:
    """Make the stack files of an environment like another one, and nothing else."""
    verbs().new_env(name, like, expires)


@verb(positional=["one", "other"], one="an environment", other="another")
def diff_env(_: Context, one: str, other: str, format: str = "table") -> None:
    """Show in which settings two environments differ, the code's defaults included."""
    verbs().diff_env(one, other, format)


@verb(
    against="fail if readers cannot live with a change since this git ref",
    against_env="fail if readers cannot live with a change of what is deployed in this environment",
)
def contracts(_: Context, against: str | None = None, against_env: str | None = None) -> int:
    """Show every output with its type and readers, or what has changed since a git ref or a deployment."""
    return verbs().contracts(against, against_env)


@verb(
    base="the git ref that the change began at, as in origin/main",
    env="leave out the settings of other environments",
    format="text (default), or json on one line for a CI matrix",
)
def affected(_: Context, base: str, env: str | None = None, format: str = "text") -> None:
    """Show which layers a change touches, and those that depend on them."""
    verbs().affected(base, env, format)


@verb(
    format="text (default), mermaid, dot or svg",
    env="colour each layer by its health in this environment (default: no colours)",
)
def graph(_: Context, format: str = "text", env: str | None = None) -> None:
    """Show which layer reads which."""
    verbs().graph(format, env)


@verb(
    port="the emulator's port (default: a free one)",
    provider="embedded or plugin (Pulumi's own, where it is installed), from now on",
)
def local_env(_: Context, port: int = Port(0), provider: str = "") -> None:
    """Start the local cloud and print the variables that lead plain pulumi, aws and boto3 to it."""
    verbs().local_env(port, provider)


@verb()
def local_down(_: Context) -> None:
    """Stop the local cloud; it keeps its resources for the next start."""
    verbs().local_down()


@verb()
def doctor(_: Context) -> None:
    """Show what is installed, what runs, and what the local cloud ignores or lacks."""
    verbs().doctor()


@verb()
def docs(_: Context) -> None:
    """Generate the tables in the READMEs and the lock file of the contracts."""
    verbs().docs()


@verb(
    unit="only the fast tests, without engine and cloud",
    slow="only the slow tests, which try every case: each change of docs/changes.md, a kill at each point",
    select="pytest's -k",
)
def test(_: Context, unit: bool = False, slow: bool = False, select: str = "") -> int:
    """Run the tests, from unit to end to end, except the slow ones."""
    if unit and slow:
        raise OrchestratorError("--unit and --slow exclude each other")
    # A file's end-to-end tests share a local cloud and go in order; the long files are collected first.
    side_by_side = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
    marked = "slow" if slow else "not slow and not local" if unit else "not slow"
    chosen = ["-m", marked, *(["-k", select] if select else [])]
    return _call(sys.executable, "-m", "pytest", *side_by_side, *chosen)


@verb()
def check(_: Context) -> int:
    """Check style, types, imports between packages, and GitHub's workflows (ruff, mypy, actionlint and others)."""
    from tools.engine.actionlint import find_actionlint

    zizmor = ["zizmor", "--offline", "--no-progress", "--persona", "pedantic", ".github"]
    checks = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"], zizmor)
    codes = {" ".join(words): _call(str(Path(sys.executable).with_name(words[0])), *words[1:]) for words in checks}
    codes["actionlint"] = _call(str(find_actionlint(print)))
    failed = [words for words, code in codes.items() if code]
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return int(bool(failed))


@verb(
    scale="instead: how time and memory grow over generated monorepos of 5, 20 and 60 layers",
    flow="instead: how long transactions take from the stream to both stores, and how many a second pass",
)
def bench(_: Context, scale: bool = False, flow: bool = False) -> int:
    """Time deploy-all, a deploy-all without changes and destroy-all beside the plain loop of pulumi."""
    if scale and flow:
        raise OrchestratorError("--scale and --flow exclude each other")
    return _call(sys.executable, "-m", f"benchmarks.{'flow' if flow else 'scale' if scale else 'deploy'}")


def _call(*command: str) -> int:
    print(shlex.join(command), flush=True)
    return subprocess.call(command, timeout=TASK_SECONDS)


program = CommandLine(Collection.from_module(sys.modules[__name__]), "txmon")
