"""The engine's events (`pulumi … --json`) as types, and what each one means for an operation.

The Automation API has such classes too (`pulumi.automation.events`), but importing it costs every verb half a second.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from tools.orchestrator.engine import errors
from tools.orchestrator.engine.drift import differences
from tools.orchestrator.model.operation import (
    CHANGES,
    STACK,
    STACK_REFERENCE,
    Action,
    Operation,
    PlannedResource,
    ResourceChange,
    ResourceState,
    Step,
    logical_name,
)

MANDATORY = "mandatory"
"""The enforcement level of a policy whose violation stops the layer; all others are warnings."""

PAST_TENSE = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "import": "imported",
    "create-replacement": "created the replacement of",
    "import-replacement": "imported the replacement of",
    "delete-replaced": "deleted the replaced",
}

COUNTED_AS = {"create-replacement": "create", "import-replacement": "import", "delete-replaced": "delete"}
"""A finished part of a replacement -> what it has done. The summary has one `replace` instead of the parts."""


@dataclass(frozen=True)
class ResourcePre:
    """The engine begins a step."""

    change: ResourceChange


@dataclass(frozen=True)
class ResourceOutputs:
    """The engine has finished a step."""

    change: ResourceChange


@dataclass(frozen=True)
class ResourceFailed:
    """A step has failed."""

    change: ResourceChange


@dataclass(frozen=True)
class Diagnostic:
    severity: str
    message: str
    urn: str


@dataclass(frozen=True)
class PolicyViolation:
    mandatory: bool
    sentence: str


@dataclass(frozen=True)
class Summary:
    """The last event of an engine that ended by itself: kind of step -> number of resources."""

    counts: dict[str, int]


Event = ResourcePre | ResourceOutputs | ResourceFailed | Diagnostic | PolicyViolation | Summary

STEP_EVENTS: dict[str, type[ResourcePre | ResourceOutputs | ResourceFailed]] = {
    "resourcePreEvent": ResourcePre,
    "resOutputsEvent": ResourceOutputs,
    "resOpFailedEvent": ResourceFailed,
}


def parse(line: str) -> Event | None:
    """Return the event in a line of the engine's output; None for an event that nobody needs.

    Raises:
        ValueError: the line is not an event, but the engine's plain text.
    """
    event = json.loads(line)
    if not isinstance(event, dict) or "sequence" not in event:
        raise ValueError(line)
    for name, of_step in STEP_EVENTS.items():
        if name in event:
            return of_step(_change(event[name]["metadata"]))
    match event:
        case {"diagnosticEvent": told}:
            return Diagnostic(told.get("severity", ""), told.get("message", "").strip(), told.get("urn", ""))
        case {"policyEvent": violation}:
            return PolicyViolation(violation["enforcementLevel"] == MANDATORY, _policy_sentence(violation))
        case {"summaryEvent": summary}:
            return Summary(summary.get("resourceChanges") or {})
    return None


def _change(metadata: dict[str, Any]) -> ResourceChange:
    return ResourceChange(
        op=metadata["op"],
        type=metadata["type"],
        urn=metadata["urn"],
        keys=tuple(metadata.get("keys") or metadata.get("diffs") or ()),
        diff_paths=tuple(metadata.get("detailedDiff") or metadata.get("diffs") or ()),
        old=_state(metadata.get("old")),
        new=_state(metadata.get("new")),
    )


def _state(state: dict[str, Any] | None) -> ResourceState | None:
    if not state:
        return None
    return ResourceState(
        inputs=state.get("inputs") or {},
        outputs=state.get("outputs") or {},
        protected=bool(state.get("protect")),
        custom=bool(state.get("custom")),
        retained=bool(state.get("retainOnDelete")),
        parent=state.get("parent") or "",
        provider=state.get("provider") or "",
    )


def _policy_sentence(violation: dict[str, Any]) -> str:
    """Return the resource, the rule and what to change."""
    *_, types, name = violation["resourceUrn"].split("::")
    _, _, sentence = violation["message"].strip().partition("\n")  # the policy's own description comes first
    return f"{types.rsplit('$', 1)[-1]} {name} breaks {sentence}"


@dataclass
class EventHandler:
    """Applies the engine's output to an operation, line by line, and reports progress."""

    operation: Operation
    stateful_types: Collection[str]
    on_progress: Callable[[str], None]

    def on_line(self, line: str) -> None:
        try:
            event = parse(line)
        except ValueError:
            self._on_text(line)
            return
        match event:
            case ResourcePre(change):
                self._on_resource_pre(change)
            case ResourceOutputs(change):
                self._on_outputs(change)
            case ResourceFailed(change):
                self.operation.running.pop((change.urn, change.op), None)
                self.operation.failed.append(change)
            case Diagnostic():
                self._on_diagnostic(event)
            case PolicyViolation():
                self._on_policy_violation(event)
            case Summary(counts):
                self.operation.saw_summary = True
                self.operation.counts = Counter(counts)

    def _on_text(self, line: str) -> None:
        """Take a line that is not an event as the engine's own error.

        An indented line continues the last error, and so does every line after the first of a crash.
        """
        found = self.operation.errors
        if found and (line.startswith(" ") or errors.is_crash(found[-1])):
            found[-1] += f"\n{line.rstrip()}"
        elif line.strip() and not line.startswith((" ", "{", "}")):
            found.append(line.strip())

    def _on_resource_pre(self, change: ResourceChange) -> None:
        operation, step = self.operation, self._step(change)
        operation.running[change.urn, change.op] = step.label
        if operation.action is Action.PREVIEW:
            self._record_resource(change)
        if step.op not in CHANGES or step.type == STACK:
            return
        operation.steps.append(step)
        if operation.action.is_preview:
            keys = f" ({', '.join(step.keys)})" if step.keys else ""
            self.on_progress(f"{step.op} {step.label}{keys}")

    def _step(self, change: ResourceChange) -> Step:
        state = change.new or change.old
        return Step(
            op=change.op,
            type=change.type,
            name=change.name,
            keys=change.keys,
            protected=bool(state and state.protected),
            stateful=change.type in self.stateful_types and not (change.old and change.old.retained),
        )

    def _record_resource(self, change: ResourceChange) -> None:
        for resources, state in ((self.operation.present, change.old), (self.operation.planned, change.new)):
            if state:
                resources[change.urn] = PlannedResource(change.type, change.name, state.inputs)

    def _on_outputs(self, change: ResourceChange) -> None:
        operation = self.operation
        operation.running.pop((change.urn, change.op), None)
        operation.finished_steps += 1
        if change.op != "replace":  # its parts are steps of their own
            operation.counts[COUNTED_AS.get(change.op, change.op)] += 1
        if change.type == STACK:
            operation.outputs = (change.new and change.new.outputs) or operation.outputs
            operation.old_outputs = (change.old and change.old.outputs) or operation.old_outputs
            operation.deleted_stack = change.op == "delete"
        elif operation.action is Action.DRIFT and change.op != "same" and change.type != STACK_REFERENCE:
            operation.drifted += differences(change)
        elif change.op in PAST_TENSE and not operation.action.is_preview:
            operation.changed_aws = operation.changed_aws or _leaves_a_resource(change)
            self.on_progress(f"{PAST_TENSE[change.op]} {change.type} {change.name}")

    def _on_diagnostic(self, diagnostic: Diagnostic) -> None:
        if not diagnostic.message or errors.is_noise(diagnostic.message):
            return
        subject = "" if STACK in diagnostic.urn else logical_name(diagnostic.urn)
        text = f"{subject}: {diagnostic.message}" if subject else diagnostic.message
        if diagnostic.severity == "error":
            self.operation.errors.append(text)
        elif diagnostic.severity == "warning":
            self._warn(errors.trimmed(text))
        elif diagnostic.severity == "info":
            self.on_progress(text)

    def _on_policy_violation(self, violation: PolicyViolation) -> None:
        if violation.mandatory:
            self.operation.errors.append(violation.sentence)
            self.on_progress(f"error: {violation.sentence}")
        else:
            self._warn(violation.sentence)

    def _warn(self, text: str) -> None:
        self.operation.warnings.append(text)
        self.on_progress(f"warning: {text}")


def _leaves_a_resource(change: ResourceChange) -> bool:
    """Return whether a finished step leaves something in AWS: not a component, the stack or a provider."""
    return bool(change.new and change.new.custom) and not change.type.startswith("pulumi:")
