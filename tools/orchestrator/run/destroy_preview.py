"""What a destroy deletes and what stays behind, told before the first delete.

A destroy is decided by the state alone: the engine deletes every resource of the stack, lets go of those that are
retained and refuses protected ones (Pulumi documentation, `pulumi destroy` and the options `retainOnDelete` and
`protect`). So all layers are judged together from the states in which their readers were found, without an engine.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from shared.resource_types import STATEFUL
from tools.orchestrator.state.stacks import LayerState

Inputs = Mapping[str, Any]

DEFAULT_WINDOW_DAYS = 30
"""How long KMS and Secrets Manager keep what is deleted, if nothing is said (`pending_window_in_days`,
`recovery_window_in_days` of their APIs)."""


def _database(inputs: Inputs) -> Iterator[str]:
    if not inputs.get("skipFinalSnapshot"):
        yield f"snapshot {inputs.get('finalSnapshotIdentifier')}"
    if not inputs.get("deleteAutomatedBackups", True):
        yield f"backups of {inputs.get('backupRetentionPeriod')} days"


def _cache(inputs: Inputs) -> Iterator[str]:
    if "finalSnapshotIdentifier" in inputs:
        yield f"snapshot {inputs['finalSnapshotIdentifier']}"


def _key(inputs: Inputs) -> Iterator[str]:
    yield f"recoverable for {inputs.get('deletionWindowInDays', DEFAULT_WINDOW_DAYS):g} days"


def _secret(inputs: Inputs) -> Iterator[str]:
    days = inputs.get("recoveryWindowInDays", DEFAULT_WINDOW_DAYS)
    if days:
        yield f"recoverable for {days:g} days"


REMAINS: dict[str, Callable[[Inputs], Iterator[str]]] = {
    "aws:rds/instance:Instance": _database,
    "aws:elasticache/replicationGroup:ReplicationGroup": _cache,
    "aws:kms/key:Key": _key,
    "aws:secretsmanager/secret:Secret": _secret,
}
"""What AWS keeps of a deleted resource, by its type, from its inputs."""


def remains(resource: Mapping[str, Any]) -> list[str]:
    """What is still in AWS once a resource, as it stands in the state, was destroyed."""
    if resource.get("retainOnDelete"):
        return ["the resource itself"]
    tell = REMAINS.get(resource["type"])
    return list(tell(resource.get("inputs") or {})) if tell else []


def show(states: Sequence[LayerState], console: Console) -> None:
    """How much goes in each layer, and of what holds state, or leaves something behind, each by its name."""
    counted = ", ".join(
        f"{sum(not resource.get('retainOnDelete') for resource in _owned(state))} in {state.layer}"
        for state in states
    )
    console.print(f"to be deleted: {counted}; with what they hold:")
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "resource", "stays behind"):
        table.add_column(heading, no_wrap=heading != "stays behind", overflow="ellipsis")
    for state in states:
        for resource in _owned(state):
            left = remains(resource)
            if left or resource["type"] in STATEFUL:
                name = resource["urn"].rsplit("::", 1)[-1]
                table.add_row(state.layer, f"{resource['type']} {name}", ", ".join(left) or "nothing")
    console.print(table)


def _owned(state: LayerState) -> list[dict[str, Any]]:
    """The resources of AWS that the stack has made; what it only read stays as it is."""
    return [
        resource
        for resource in state.resources
        if resource.get("custom") and not resource.get("external") and not resource["type"].startswith("pulumi:")
    ]
