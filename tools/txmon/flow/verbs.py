"""The verbs of the transactions' flow: each opens the environment, and asks AWS or the functions of processing."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tools.orchestrator.cli import commands
from tools.orchestrator.cli.options import Count, path_argument
from tools.orchestrator.cli.prompts import confirm
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.repository.environments import find_environment
from tools.txmon.flow.deployment import aws_errors, open_deployment
from tools.txmon.flow.samples import Samples
from tools.txmon.flow.send import Record, as_record, open_sender, parse_duration, parse_rate, records_in
from tools.txmon.monorepo import MONOREPO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tools.orchestrator.engine.workspace import Workspace
    from tools.txmon.flow.deployment import Deployment

SAMPLES = 100
"""How many transactions `send` puts if nothing else is asked for."""


@contextmanager
def _deployed(env: str) -> Iterator[tuple[Workspace, Deployment]]:
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
    find_environment(MONOREPO, env)
    chosen = load(count, rate, for_, file)
    with _deployed(env) as (workspace, deployment):
        sender = open_sender(deployment)
        confirm(workspace, f"put {chosen.description} on the stream of", yes=yes)
        try:
            sender.send(chosen.records, chosen.rate)
        finally:
            print(sender.report)
    return int(bool(sender.report.refused))
