"""One action on one layer: what was asked for, how far it is, and its result. Plain data."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

STACK = "pulumi:pulumi:Stack"
STACK_REFERENCE = "pulumi:pulumi:StackReference"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that is not known yet (`pulumi.runtime.rpc.UNKNOWN`; importing it would cost every verb half a
second, so a test compares the two)."""
SECRET = "[secret]"  # noqa: S105 (what the engine's events have in place of a secret)
CHANGES = ("create", "update", "replace", "delete", "import")
"""Steps that change something. All other steps leave AWS as it is, as `discard` does, or are parts of a `replace`."""
RETAINED = ("same", "create", "update", "replace", "import")
"""Steps that leave the resource in the stack. The engine counts a read only if its value changed."""


def logical_name(urn: str) -> str:
    """Return a resource's logical name, the last part of its URN."""
    return urn.rsplit("::", 1)[-1]


class Action(StrEnum):
    """What is done to a layer."""

    UP = "up"
    PREVIEW = "preview"
    DESTROY = "destroy"
    REFRESH_UP = "refresh-up"
    """Refresh the state from AWS, then update: this reverts drift."""
    DRIFT = "drift"
    """Compare the state with AWS and change neither."""

    @property
    def is_preview(self) -> bool:
        return self in {Action.PREVIEW, Action.DRIFT}

    @property
    def runs_program(self) -> bool:
        """Whether the layer's program runs, and with it the policy pack."""
        return self in {Action.UP, Action.REFRESH_UP, Action.PREVIEW}


class OperationStatus(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Step:
    """One step of the engine on one resource."""

    op: str
    type: str
    name: str
    keys: tuple[str, ...] = ()
    """The inputs that differ, or that force the replacement."""
    protected: bool = False
    stateful: bool = False
    """Whether the resource's type cannot be made again as it was; never true of one that is retained."""

    @property
    def is_loss(self) -> bool:
        """Whether the resource is lost. Plans show losses first, and an approved plan has to name them."""
        return self.op in {"replace", "delete"}

    @property
    def is_state_loss(self) -> bool:
        return self.is_loss and self.stateful

    @property
    def label(self) -> str:
        return f"{self.type} {self.name}"


@dataclass(frozen=True)
class PlannedResource:
    """A resource as it stands in the state, or as a preview plans it."""

    type: str
    name: str
    inputs: dict[str, Any]


@dataclass(frozen=True)
class ResourceState:
    """A resource before or after a step."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    protected: bool
    custom: bool
    """Whether a provider manages it; components and stacks exist in Pulumi only."""
    retained: bool = False
    """Whether the engine only forgets it where it would delete it (`retainOnDelete`)."""
    parent: str = ""
    """The URN of its parent."""
    provider: str = ""
    """The URN of its provider and, after it, the provider's ID."""


@dataclass(frozen=True)
class ResourceChange:
    """What the engine reports about a step on a resource."""

    op: str
    type: str
    urn: str
    keys: tuple[str, ...] = ()
    """The inputs that differ, or that force the replacement."""
    diff_paths: tuple[str, ...] = ()
    """The paths of the properties that differ, as in `tags.Owner`."""
    old: ResourceState | None = None
    new: ResourceState | None = None

    @property
    def name(self) -> str:
        return logical_name(self.urn)


@dataclass(frozen=True)
class Difference:
    """A property of a resource that differs between AWS and the state."""

    resource: str
    type: str
    property: str | None
    """Its path, as in `tags.Owner`; None if the whole resource is gone."""
    state: Any
    actual: Any


@dataclass
class Operation:
    """An action on a layer: its progress while it runs, then its result."""

    layer: str
    action: Action
    status: OperationStatus = OperationStatus.WAITING
    reason: str = ""
    """Why it failed or was skipped, as a sentence."""
    command: str = ""
    """The command as a person would repeat it."""
    running: dict[tuple[str, str], str] = field(default_factory=dict)
    """The steps that have begun and not ended: URN and kind of step -> the resource's type and name."""
    finished_steps: int = 0
    steps: list[Step] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Kind of step -> number of resources: the steps that have ended, then the engine's summary. A killed engine
    writes no summary."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """The stack's outputs after the action; after a preview, the planned ones."""
    old_outputs: dict[str, Any] = field(default_factory=dict)
    """The stack's outputs before the action."""
    failed: list[ResourceChange] = field(default_factory=list)
    """The steps that failed, except in a preview."""
    drifted: list[Difference] = field(default_factory=list)
    """Where AWS differs from the state, if the action looks for drift. Stack references are left out: every refresh
    reads them anew."""
    planned: dict[str, PlannedResource] = field(default_factory=dict)
    """Every resource after the deploy by URN, if the action is a preview."""
    present: dict[str, PlannedResource] = field(default_factory=dict)
    """Every resource before the deploy by URN, if the action is a preview."""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    began: float = 0.0
    """On the monotonic clock, in seconds; 0 until it begins."""
    ended: float = 0.0
    deleted_stack: bool = False
    """Whether a destroy has deleted the stack itself, its last step."""
    saw_summary: bool = False
    """Whether the engine's summary was read. A full disk keeps only its first events."""
    changed_aws: bool = False
    """Whether it has created or changed a resource in AWS."""
    added_encryption_keys: bool = False
    """Whether the layer's stack file says since then how its secrets are encrypted."""

    @property
    def current(self) -> str:
        """The resource whose step began last, of those that the engine works on; empty if there is none."""
        return next(reversed(self.running.values()), "")

    @property
    def seconds(self) -> float:
        """Wall time until now, or in all once it has ended."""
        return (self.ended or time.monotonic()) - self.began if self.began else 0.0

    @property
    def began_at(self) -> datetime | None:
        """When it began, in UTC."""
        return datetime.now(UTC) - timedelta(seconds=time.monotonic() - self.began) if self.began else None

    @property
    def resource_count(self) -> int | None:
        """How many resources the layer has afterwards; None unless it succeeded and so visited each of them."""
        return sum(self.counts[op] for op in RETAINED) if self.status is OperationStatus.SUCCEEDED else None

    @property
    def changes(self) -> dict[str, int]:
        """Kind of change -> number of resources."""
        if self.action is Action.DRIFT:
            resources = {(each.type, each.resource) for each in self.drifted}
            return {"differing": len(resources)} if resources else {}
        return {op: self.counts[op] for op in CHANGES if self.counts[op]}

    def begin(self, command: str) -> None:
        """Begin a command. The operation began with its first command."""
        self.command, self.status = command, OperationStatus.RUNNING
        self.began = self.began or time.monotonic()

    def end(self, status: OperationStatus, reason: str = "") -> None:
        self.status, self.reason, self.ended = status, reason, time.monotonic()
        self.running.clear()


def is_unknown(value: Any) -> bool:
    """Return whether an output, or a part of it, is known only after the deploy."""
    if isinstance(value, list):
        return any(is_unknown(item) for item in value)
    if isinstance(value, dict):
        return any(is_unknown(item) for item in value.values())
    return bool(value == UNKNOWN)


def output_changes(operation: Operation) -> dict[str, tuple[Any, Any]]:
    """Return the outputs that a preview would change, as name -> (old, new); the engine does not count them."""
    before, after = operation.old_outputs, operation.outputs
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def by_layer(operations: Iterable[Operation]) -> dict[str, Operation]:
    return {operation.layer: operation for operation in operations}
