"""What a destroy deletes and what AWS keeps, known before the first delete.

The state alone decides: the engine deletes every resource of the stack, except retained ones, and refuses protected
ones (Pulumi documentation: `pulumi destroy`, `retainOnDelete`, `protect`). So all layers are previewed from one
snapshot, without an engine.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tools.orchestrator.model.stack import Resource, StackSnapshot

Inputs = Mapping[str, Any]

KEY_TYPE = "aws:kms/key:Key"
DEFAULT_WINDOW_DAYS = 30
"""How long KMS and Secrets Manager keep a deleted key or secret by default (`pending_window_in_days`,
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
    days = inputs.get("deletionWindowInDays", DEFAULT_WINDOW_DAYS)
    yield f"recoverable for {days:g} days; then what it encrypts is lost, also snapshots"


def _secret(inputs: Inputs) -> Iterator[str]:
    days = inputs.get("recoveryWindowInDays", DEFAULT_WINDOW_DAYS)
    if days:
        yield f"recoverable for {days:g} days, in which its name is taken"


REMAINS: dict[str, Callable[[Inputs], Iterator[str]]] = {
    "aws:rds/instance:Instance": _database,
    "aws:elasticache/replicationGroup:ReplicationGroup": _cache,
    KEY_TYPE: _key,
    "aws:secretsmanager/secret:Secret": _secret,
}
"""Resource type -> what AWS keeps after the delete, from the inputs."""


def remains(resource: Resource) -> list[str]:
    """Return what AWS keeps of a resource of the state after a destroy."""
    if resource.get("retainOnDelete"):
        is_key = resource["type"] == KEY_TYPE
        return ["the key itself, for what it encrypts" if is_key else "the resource itself"]
    tell = REMAINS.get(resource["type"])
    return list(tell(resource.get("inputs") or {})) if tell else []


def owned_resources(stack: StackSnapshot) -> list[Resource]:
    """Return the AWS resources that the stack has created; a destroy leaves those that it only read."""
    return [
        resource
        for resource in stack.resources
        if resource.get("custom") and not resource.get("external") and not resource["type"].startswith("pulumi:")
    ]
