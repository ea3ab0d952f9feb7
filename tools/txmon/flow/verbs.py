"""The verbs of the transactions' flow: each opens the environment, and asks AWS or the functions of processing."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from tools.orchestrator.cli import commands
from tools.orchestrator.cli.options import Count, path_argument
from tools.orchestrator.cli.prompts import confirm
from tools.orchestrator.cli.terminal import console, progress, show
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.repository.environments import find_environment
from tools.txmon.aws_errors import aws_errors
from tools.txmon.flow import alarm_test as testing
from tools.txmon.flow import console as operator_console
from tools.txmon.flow import dead_letters as letters
from tools.txmon.flow import functions, render, stores
from tools.txmon.flow import rejected as rejections
from tools.txmon.flow import watch as watching
from tools.txmon.flow.deployment import open_deployment
from tools.txmon.flow.functions import LONGEST_SECONDS, WITHOUT_STORES, consumer, migrator
from tools.txmon.flow.moments import parse_moment
from tools.txmon.flow.samples import Samples
from tools.txmon.flow.send import Record, as_record, open_sender, parse_duration, parse_rate, records_in
from tools.txmon.flow.stream import open_stream
from tools.txmon.monorepo import MONOREPO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tools.orchestrator.engine.workspace import Workspace
    from tools.txmon.flow.deployment import Deployment

SAMPLES = 100
"""How many transactions `send` puts if nothing else is asked for."""
ALL = "all"


@contextmanager
def deployed(env: str) -> Iterator[tuple[Workspace, Deployment]]:
    """Open an environment; errors of AWS become sentences."""
    environment = find_environment(MONOREPO, env)
    with aws_errors(env):
        workspace = commands.open_environment(MONOREPO, environment)
        yield workspace, open_deployment(workspace)


@dataclass(frozen=True)
class Load:
    """What `send` puts, and how fast."""

    records: Iterable[Record]
    description: str
    rate: float | None = None


def load(count: str | None, rate: str | None, for_: str | None, file: str | None) -> Load:
    """Return the load that the options of `send` ask for.

    Raises:
        OrchestratorError: an option is malformed, or two of them contradict each other.
    """
    if [count, for_, file].count(None) < 2:  # noqa: PLR2004 (of the three, one says how many)
        raise OrchestratorError("--count, --for and --file each say how many: give one of them")
    if for_ is not None and rate is None:
        raise OrchestratorError("--for needs --rate, as in --rate 1000/min --for 1m")
    pace = None if rate is None else parse_rate(rate)
    if file is not None:
        records = records_in(path_argument(file))
        return Load(records, f"{len(records)} transactions of {file}", pace)
    if pace is not None and count is None:
        number = max(1, round(pace * parse_duration(for_ or "1m")))
    else:
        number = SAMPLES if count is None else Count(count)
    return Load(map(as_record, islice(Samples(), number)), f"{number} sample transactions", pace)


def send(env: str, *, count: str | None, rate: str | None, for_: str | None, file: str | None, yes: bool) -> int:
    """Put transactions on the stream; return 1 if it refused one for good."""
    chosen = load(count, rate, for_, file)
    with deployed(env) as (workspace, deployment):
        sender = open_sender(deployment)
        confirm(workspace, f"put {chosen.description} on the stream of", yes=yes)
        try:
            sender.send(chosen.records, chosen.rate)
        finally:
            print(sender.report)
            if deployment.lacks_stores:
                print(WITHOUT_STORES)
    return int(bool(sender.report.refused))


def watch(env: str, for_: str) -> None:
    """Show what passes through the environment until the time is over, or until Ctrl-C."""
    seconds = parse_duration(for_)
    with deployed(env) as (workspace, deployment):
        observer = watching.open_observer(deployment)
        local = workspace.environment.is_local
        interval = watching.LOCAL_INTERVAL if local else watching.AWS_INTERVAL
        with suppress(KeyboardInterrupt):
            watching.follow(observer.look, console(), seconds, interval)


def alarm_test(env: str, name: str, *, yes: bool) -> None:
    """Set an alarm, show that its notifications arrive, and name the subscribers to ask."""
    with deployed(env) as (workspace, deployment):
        alarms = testing.find(deployment, name)
        confirm(workspace, f"set the alarm {name}, of which every subscriber hears, of", yes=yes)
        others = testing.subscribers(deployment, alarms)
        for each, seconds in testing.ring(deployment, alarms).items():
            print(f"{each}: its notification arrived after {seconds:.1f} s")
    print("\n".join(["ask its subscribers whether they heard:", *others]) if others else "it has no subscribers")


def transactions(env: str, identity: str | None, customer: str | None, format: str) -> None:
    """Show a transaction, a customer's newest, or the newest of the last hour."""
    if identity is not None and customer is not None:
        raise OrchestratorError("--id and --customer exclude each other")
    with deployed(env) as (_, deployment):
        found = stores.transactions(migrator(deployment), identity=identity, customer=customer)
    if identity is not None and not (found.postgresql or found.redis or found.away):
        raise OrchestratorError(f"there is no transaction {identity!r} in {env}; was it rejected? ./inv rejected")
    show_found(found, format, newest=identity is customer is None)


def show_found(found: stores.Found, format: str, *, newest: bool) -> None:
    """Show what the stores have, or PostgreSQL's newest.

    Raises:
        OrchestratorError: a store does not answer; what the other one has is shown.
    """
    shown = max(len(found.postgresql), len(found.redis))
    if shown < found.found and format == "table":
        print(f"the newest {shown} of {found.found}: more do not fit into an answer, but --id shows each")
    show(
        format,
        table=lambda: render.stored(found.postgresql) if newest else render.found(found),
        json=lambda: found.model_dump_json(indent=2),
    )
    if found.away:
        raise OrchestratorError(f"this is not all: {'; '.join(found.away)}")


def dead_letters(env: str, *, replay: bool, yes: bool, format: str) -> int:
    """Show the messages of the dead-letter queue, or hand their records to the consumer; return 1 if some stay."""
    with deployed(env) as (workspace, deployment):
        queue = letters.queue(deployment)
        found = queue.receive()
        if not replay:
            queue.release(found)
            show(
                format,
                table=lambda: render.listed(found, render.dead_letters, f"dead letters in {env}"),
                json=lambda: letters.as_json(found),
            )
            return 0
        confirm(workspace, f"replay {len(found)} dead letters of", yes=yes)
        return int(not replay_all(queue, letters.Replay(deployment.client("kinesis"), consumer(deployment)), found))


def replay_all(queue: letters.Queue, replay: letters.Replay, found: Sequence[letters.DeadLetter]) -> bool:
    """Replay messages and delete those whose records are stored; return whether that is true of all."""
    stay = 0
    for letter in found:
        if letter.invocation is None:
            print(f"{letter.message_id}: not a message of Lambda; it stays")
            stay += 1
            continue
        try:
            with queue.hidden(letter, LONGEST_SECONDS):
                print(f"{letter.message_id}: {replay.replay(letter.invocation)} records processed")
                queue.delete(letter)
        except OrchestratorError as error:
            print(f"{letter.message_id}: {error}")
            stay += 1
    print(f"{len(found) - stay} of {len(found)} dead letters replayed")
    return not stay


def rejected(env: str, replay: str | None, file: str | None, *, yes: bool, format: str) -> int:
    """Show rejected records, or put some on the stream again; return 1 if it does not accept one."""
    if file is not None and replay is None:
        raise OrchestratorError("--file needs --replay, which names the records that the file mends")
    mended = None if file is None else records_in(path_argument(file))
    with deployed(env) as (workspace, deployment):
        asked = migrator(deployment)
        if replay is None:
            found = stores.rejected(asked)
            if format == "json":  # with the payloads, to be mended
                found = rejections.find(asked, [each.id for each in found])
            show(
                format,
                table=lambda: render.listed(found, render.rejected, f"rejected records in {env}"),
                json=lambda: stores.REJECTED.dump_json(found).decode(),
            )
            return 0
        ids = stores.rejected_ids(asked) if replay == ALL else replay.split(",")
        rejections.require_one_each(ids, mended)
        confirm(workspace, f"put {len(ids)} rejected records on the stream of", yes=yes)
        resolved = rejections.replay(asked, open_sender(deployment), ids, mended)
    print(f"{resolved} of {len(ids)} rejected records are on the stream again, and resolved")
    return int(resolved < len(ids))


def rebuild_history(env: str, *, yes: bool) -> None:
    """Write the last hours from PostgreSQL to Redis."""
    with deployed(env) as (workspace, deployment):
        confirm(workspace, "write the history of Redis anew in", yes=yes)
        hours = deployment.output("data", "redis_history_hours")
        written = stores.rebuild_history(migrator(deployment), hours)
    print(f"{written} transactions of the last {hours} hours are in Redis")


def replay(env: str, since: str, *, yes: bool) -> None:
    """Hand what the stream has since a moment to the consumer again."""
    start, now = parse_moment("--since", since), datetime.now(UTC)
    if start > now:
        raise OrchestratorError(f"--since {since} is in the future")
    with deployed(env) as (workspace, deployment):
        stream = open_stream(deployment)
        confirm(workspace, f"hand the records since {since} to the consumer of", yes=yes)
        with progress() as shown:
            handed = stream.replay_all(start, now, shown)
    print(f"{handed} records since {since} processed")


def sql(env: str, query: str, format: str) -> None:
    """Show what a query reads in PostgreSQL."""
    with deployed(env) as (_, deployment):
        by = deployment.client("sts").get_caller_identity()["Arn"]
        answer = operator_console.ask(functions.console(deployment), query, by)
    show(
        format,
        table=lambda: render.answer(answer),
        json=lambda: answer.model_dump_json(indent=2, exclude={"error"}),
    )
    if answer.more:
        console(stderr=True).print(f"the first {len(answer.rows)} rows; there are more")


def findings(env: str, format: str) -> None:
    """Show what the rules found last."""
    with deployed(env) as (_, deployment):
        found = stores.findings(migrator(deployment))
    show(
        format,
        table=lambda: render.listed(found, render.findings, f"findings in {env}"),
        json=lambda: render.as_json(found),
    )
