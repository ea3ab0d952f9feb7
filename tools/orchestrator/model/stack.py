"""What a stack holds and how it is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic needs this one before Python 3.12
)

from pydantic import AfterValidator, ConfigDict, with_config
from typing_extensions import TypedDict

from tools.orchestrator.model.operation import STACK, STACK_REFERENCE, logical_name

REFERENCE_TYPES = {STACK_REFERENCE, "pulumi:providers:pulumi"}
"""Resources of a state that stand for other stacks."""
RESOLVED = re.compile(r"\S+ unlock, (resolved|settled) ")
"""Begins the message of the refresh with which `./inv unlock` resolves pending operations. Older versions wrote
"settled"."""
HISTORY_PRECISION = timedelta(seconds=1)
"""A stack's history cuts off fractions of a second."""


def _require_timestamp(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("it has no time zone")
    return text


Timestamp = Annotated[str, AfterValidator(_require_timestamp)]
"""A time as the engine writes it, as in `2026-01-02T03:04:05.678Z`."""


@with_config(ConfigDict(extra="allow"))
class Resource(TypedDict):
    """A resource in a checkpoint; the engine keeps more about it (`apitype.ResourceV3`)."""

    type: str
    urn: str
    id: NotRequired[str]
    inputs: NotRequired[dict[str, Any] | None]
    outputs: NotRequired[dict[str, Any] | None]
    custom: NotRequired[bool]
    external: NotRequired[bool]
    protect: NotRequired[bool]
    retainOnDelete: NotRequired[bool]
    dependencies: NotRequired[list[str] | None]
    modified: NotRequired[Timestamp | None]


@with_config(ConfigDict(extra="allow"))
class PendingOperation(TypedDict):
    """An operation of a killed update (`apitype.OperationV2`)."""

    type: str
    resource: Resource


@with_config(ConfigDict(extra="allow"))
class SecretsProviderState(TypedDict, total=False):
    """What a cloud's secrets provider keeps; a passphrase's has no URL."""

    url: str | None


@with_config(ConfigDict(extra="allow"))
class SecretsProvider(TypedDict, total=False):
    """What encrypts the secrets of a stack (`apitype.SecretsProvidersV1`)."""

    type: str | None
    state: SecretsProviderState | None


@with_config(ConfigDict(extra="allow"))
class Deployment(TypedDict, total=False):
    """What a checkpoint holds (`apitype.DeploymentV3`)."""

    resources: list[Resource] | None
    pending_operations: list[PendingOperation] | None
    secrets_providers: SecretsProvider | None


@with_config(ConfigDict(extra="allow"))
class Export(TypedDict):
    """What `pulumi stack export` prints and `pulumi stack import` takes (`apitype.UntypedDeployment`)."""

    deployment: Deployment | None


class StackHealth(StrEnum):
    """How a stack is, as `./inv status` shows it."""

    NEVER_DEPLOYED = "never"
    DESTROYED = "destroyed"
    OK = "ok"
    CHANGED_SINCE = "changed since"
    """Its sources have changed since the last update."""
    STALE = "stale"
    """What it read from another layer has changed since the last update."""
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    REMOVED = "removed"
    """It is deployed, but the repository no longer has its layer."""


@dataclass(frozen=True)
class UpdateRecord:
    """A finished update in a stack's history."""

    kind: str
    result: str
    ended: str
    message: str
    commit: str = ""
    """The git commit that was deployed; empty if the work tree had changes, or was not a git repository."""

    @property
    def succeeded(self) -> bool:
        return self.result == "succeeded"

    @property
    def resolved_pending_operations(self) -> bool:
        return bool(RESOLVED.match(self.message))


@dataclass(frozen=True)
class StackReference:
    """What a stack has read from another one."""

    outputs: dict[str, Any]
    changed: str | None
    """When an update or a refresh last found other outputs than before; None if none has."""


@dataclass(frozen=True)
class StackSnapshot:
    """A stack's checkpoint, and its last update if that was read too."""

    name: str
    """The layer; `project/stack` if it belongs to another environment or product."""
    deployment: Deployment = field(default_factory=Deployment)
    last: UpdateRecord | None = None
    """The last update that says how the stack is."""

    @property
    def resources(self) -> list[Resource]:
        return self.deployment.get("resources") or []

    @property
    def size(self) -> int:
        """The number of resources as the engine's summaries count them: without references to other stacks."""
        return sum(resource["type"] not in REFERENCE_TYPES for resource in self.resources)

    @property
    def pending_operations(self) -> list[PendingOperation]:
        """Operations of a killed update. AWS may or may not have done them."""
        return self.deployment.get("pending_operations") or []

    @property
    def pending(self) -> list[str]:
        """The pending operations in words, as in `creating vpc-dev`."""
        return [
            f"{operation['type']} {logical_name(operation['resource']['urn'])}"
            for operation in self.pending_operations
        ]

    @property
    def is_deployed(self) -> bool:
        """Whether the stack holds anything; a destroyed one is empty."""
        return bool(self.resources)

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs. The contracts make sure that none is secret."""
        return next((r.get("outputs") or {} for r in self.resources if r["type"] == STACK), {})

    @cached_property
    def references(self) -> dict[str, StackReference]:
        """The stacks that this one reads, named as in `txmon-network/dev`, without the organization."""
        return {
            "/".join(r.get("id", "").split("/")[-2:]): StackReference(
                read if isinstance(read, dict) else {}, r.get("modified")
            )
            for r in self.resources
            if r["type"] == STACK_REFERENCE
            for read in [(r.get("outputs") or {}).get("outputs")]
        }

    @property
    def needs_last_update(self) -> bool:
        """Whether `outputs_read` depends on the last update, and that was not read."""
        return self.last is None and any(reference.changed for reference in self.references.values())

    def outputs_read(self, stack: str) -> dict[str, Any] | None:
        """Return the outputs of another stack that the last update read.

        None if that is unknown, because a refresh has read other ones since and the state shows only those.
        """
        reference = self.references.get(stack)
        if reference is None:
            return None
        if reference.changed is None:
            return reference.outputs
        if self.last is None or not self.last.ended:
            return None
        update_ended = datetime.fromisoformat(self.last.ended) + HISTORY_PRECISION
        read_again = datetime.fromisoformat(reference.changed) >= update_ended
        return None if read_again else reference.outputs

    @property
    def secrets_provider(self) -> str | None:
        """What encrypts the stack's secrets, as in `awskms://…` or `passphrase`; None if the state does not say."""
        provider = self.deployment.get("secrets_providers") or SecretsProvider()
        state = provider.get("state") or SecretsProviderState()
        return state.get("url") or provider.get("type")

    @property
    def protected(self) -> list[str]:
        """The logical names of the protected resources."""
        return [logical_name(r["urn"]) for r in self.resources if r.get("protect")]

    @property
    def health(self) -> StackHealth:
        """How the stack is by its checkpoint and its last update."""
        if not self.is_deployed and (self.last is None or self.last.succeeded):
            return StackHealth.NEVER_DEPLOYED if self.last is None else StackHealth.DESTROYED
        if self.pending:
            return StackHealth.INTERRUPTED
        if self.last is None or not self.last.succeeded:
            return StackHealth.FAILED
        was_cut_short = self.last.resolved_pending_operations or self._is_half_destroyed
        return StackHealth.INTERRUPTED if was_cut_short else StackHealth.OK

    @property
    def _is_half_destroyed(self) -> bool:
        return bool(self.is_deployed and self.last and self.last.kind == "destroy")

    @property
    def fault(self) -> str:
        """What is wrong with a stack that failed or was interrupted, as in `last update failed`."""
        if self.pending:
            return f"last update was interrupted while {', '.join(self.pending)}"
        if self._is_half_destroyed:  # the history does not show an update that was killed after a destroy
            failed = self.last is not None and not self.last.succeeded
            what = "failed" if failed else "or an update after it was interrupted"
            return f"destroy {what} with {self.size} resource{'s' * (self.size > 1)} left"
        resolved = self.last is not None and self.last.resolved_pending_operations
        return "last update was interrupted" if resolved else "last update failed"

    @property
    def remedies(self) -> list[str]:
        """The verbs that go on from here, as alternatives."""
        if self.pending:
            return ["unlock"]
        return ["up", "destroy"] if self._is_half_destroyed else ["up"]


@dataclass(frozen=True)
class Snapshot:
    """The stacks of one environment, or of the whole backend, as they were when it was read."""

    env: str
    stacks: dict[str, StackSnapshot]
    """Every stack that was read, by layer, or by `project/stack` if it belongs to another environment or product.
    A stack that exists may be empty."""

    def stack(self, layer: str) -> StackSnapshot:
        """Return the layer's stack; an empty one if it does not exist."""
        return self.stacks.get(layer) or StackSnapshot(layer)

    @property
    def deployed(self) -> dict[str, StackSnapshot]:
        """The stacks that hold something."""
        return {name: stack for name, stack in self.stacks.items() if stack.is_deployed}

    def without_stack(self, layers: Iterable[str]) -> list[str]:
        """Return those of the layers that have no stack yet."""
        return [layer for layer in layers if layer not in self.stacks]

    def readers(self, stack: str) -> set[str]:
        """Return what reads a stack, named as in `txmon-network/dev`: layers, or `project/stack`."""
        return {name for name, other in self.deployed.items() if stack in other.references}

    def with_updates(self, updates: dict[str, UpdateRecord | None]) -> "Snapshot":
        """Return the snapshot with the last update of some layers."""
        stacks = {layer: replace(self.stack(layer), last=last) for layer, last in updates.items()}
        return replace(self, stacks=self.stacks | stacks)


def last_significant_update(history: list[UpdateRecord]) -> UpdateRecord | None:
    """Return the update that says how the stack is, from a history with the newest first.

    A refresh that succeeded deploys nothing, so the update before it counts. A refresh that failed counts itself, and
    so does one that resolved pending operations: the killed update has left no other trace.
    """
    for update in history:
        if update.kind != "refresh" or not update.succeeded or update.resolved_pending_operations:
            return update
    return history[0] if history else None
