"""What the engine's streaming JSON (`pulumi … --json`) looks like, and what each event means for an operation."""

import json
from typing import Any

import pytest

from tools.orchestrator.engine import errors
from tools.orchestrator.engine.events import (
    Diagnostic,
    EventHandler,
    PolicyViolation,
    ResourceOutputs,
    ResourcePre,
    Summary,
    parse,
)
from tools.orchestrator.model.operation import (
    STACK,
    STACK_REFERENCE,
    Action,
    Difference,
    Operation,
    PlannedResource,
    ResourceChange,
    ResourceState,
    Step,
)

BUCKET = "aws:s3/bucket:Bucket"


def line(kind: str, event: dict[str, Any]) -> str:
    """Return an event as the engine writes it."""
    return json.dumps({"sequence": 1, "timestamp": 1767322800, kind: event}) + "\n"


def urn(kind: str = BUCKET, name: str = "logs") -> str:
    return f"urn:pulumi:dev::shop-base::shop:Group${kind}::{name}"


def step(kind: str, op: str, type: str = BUCKET, name: str = "logs", **more: Any) -> str:  # noqa: A002
    """Return a `resourcePreEvent` or a `resOutputsEvent`."""
    return line(kind, {"metadata": {"op": op, "type": type, "urn": urn(type, name), **more}})


def began(op: str, **more: Any) -> str:
    return step("resourcePreEvent", op, **more)


def ended(op: str, **more: Any) -> str:
    return step("resOutputsEvent", op, **more)


def apply(action: Action, *lines: str, stateful_types: tuple[str, ...] = ()) -> tuple[Operation, list[str]]:
    """Apply lines of the engine's output to an operation; return it and the progress that was reported."""
    operation, progress = Operation("base", action), []
    handler = EventHandler(operation, stateful_types, progress.append)
    for text in lines:
        handler.on_line(text)
    return operation, progress


@pytest.mark.parametrize(("kind", "event"), [("resourcePreEvent", ResourcePre), ("resOutputsEvent", ResourceOutputs)])
def test_a_step_begins_and_ends_with_the_same_facts(kind: str, event: type[ResourcePre | ResourceOutputs]) -> None:
    old = {"type": BUCKET, "urn": urn(), "custom": True, "protect": True, "inputs": {"a": 1}, "outputs": {"b": 2}}
    detailed = {"tags.Owner": {"diffKind": "update", "inputDiff": True}}
    text = step(kind, "update", old=old, new={"inputs": None}, keys=[], diffs=["tags"], detailedDiff=detailed)
    assert parse(text) == event(
        ResourceChange(
            op="update",
            type=BUCKET,
            urn=urn(),
            keys=("tags",),
            diff_paths=("tags.Owner",),
            old=ResourceState({"a": 1}, {"b": 2}, protected=True, custom=True),
            new=ResourceState({}, {}, protected=False, custom=False),
        )
    )


def test_keys_that_force_a_replacement_come_before_the_other_differences() -> None:
    change = parse(began("replace", keys=["bucket"], diffs=["bucket", "tags"], detailedDiff=None)).change
    assert (change.keys, change.diff_paths) == (("bucket",), ("bucket", "tags"))


def test_a_created_resource_has_no_old_state_a_deleted_one_no_new_state() -> None:
    assert parse(began("create", old=None, new={"inputs": {}})).change.old is None
    assert parse(began("delete", old={"inputs": {}})).change.new is None


def test_a_diagnostic_has_a_severity_a_message_and_perhaps_a_urn() -> None:
    event = {"urn": urn(), "prefix": "<{%reset%}>", "message": "no room\n", "color": "raw", "severity": "error"}
    assert parse(line("diagnosticEvent", event)) == Diagnostic("error", "no room", urn())
    assert parse(line("diagnosticEvent", {"message": "hello"})) == Diagnostic("", "hello", "")


@pytest.mark.parametrize(("level", "mandatory"), [("mandatory", True), ("advisory", False), ("remediate", False)])
def test_a_policy_violation_names_the_resource_and_what_to_change(level: str, *, mandatory: bool) -> None:
    event = {
        "resourceUrn": urn(),
        "message": "Buckets are private.\nprivate_buckets: set acl to private\n",
        "policyName": "private_buckets",
        "enforcementLevel": level,
    }
    sentence = f"{BUCKET} logs breaks private_buckets: set acl to private"
    assert parse(line("policyEvent", event)) == PolicyViolation(mandatory, sentence)


def test_a_summary_counts_resources_by_the_kind_of_their_step() -> None:
    event = {"maybeCorrupt": False, "durationSeconds": 3, "resourceChanges": {"create": 2, "same": 1}}
    assert parse(line("summaryEvent", event)) == Summary({"create": 2, "same": 1})
    assert parse(line("summaryEvent", {"resourceChanges": None})) == Summary({})


@pytest.mark.parametrize("kind", ["preludeEvent", "cancelEvent", "stdoutEvent", "progressEvent"])
def test_other_events_are_ignored(kind: str) -> None:
    assert parse(line(kind, {"config": {}})) is None


@pytest.mark.parametrize("text", ["error: no stack named 'dev' found\n", "{\n", "", "7", '"text"', '{"urn": "x"}'])
def test_a_line_without_a_sequence_number_is_not_an_event(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (nobody reads its message)
        parse(text)


def test_a_preview_reports_changes_with_their_keys() -> None:
    changed = began("update", keys=["tags", "acl"], new={"protect": True})
    operation, progress = apply(Action.PREVIEW, changed, began("same", name="other"), began("create", type=STACK))
    assert operation.steps == [Step("update", BUCKET, "logs", ("tags", "acl"), protected=True)]
    assert progress == [f"update {BUCKET} logs (tags, acl)"]


def test_a_preview_records_every_resource_before_and_after() -> None:
    events = (
        began("create", name="new", new={"inputs": {"a": 1}}),
        began("delete", name="old", old={"inputs": {"b": 2}}),
        began("same", name="kept", old={"inputs": {"c": 3}}, new={"inputs": {"c": 3}}),
    )
    operation, _ = apply(Action.PREVIEW, *events)
    new, old, kept = (
        (urn(name=name), PlannedResource(BUCKET, name, inputs))
        for name, inputs in (("new", {"a": 1}), ("old", {"b": 2}), ("kept", {"c": 3}))
    )
    assert operation.planned == dict([new, kept])
    assert operation.present == dict([old, kept])


def test_a_deploy_shows_the_resource_that_the_engine_works_on() -> None:
    operation, progress = apply(Action.UP, began("create"))
    assert operation.current == f"{BUCKET} logs"
    assert (operation.planned, progress) == ({}, [])
    operation, _ = apply(Action.UP, began("create"), began("update", name="other"), ended("update", name="other"))
    assert operation.current == f"{BUCKET} logs"


def test_a_step_knows_whether_its_resource_is_protected_and_stateful() -> None:
    deleted = began("delete", old={"protect": True})
    operation, _ = apply(Action.PREVIEW, deleted, began("delete", type="aws:x:Y"), stateful_types=(BUCKET,))
    assert [(found.protected, found.stateful) for found in operation.steps] == [(True, True), (False, False)]


def test_the_state_of_a_retained_resource_is_not_lost() -> None:
    operation, _ = apply(Action.PREVIEW, began("delete", old={"retainOnDelete": True}), stateful_types=(BUCKET,))
    assert [found.is_state_loss for found in operation.steps] == [False]


def test_a_deploy_reports_finished_changes_in_the_past_tense() -> None:
    events = (ended("create"), ended("same"), ended("create-replacement"), ended("delete-replaced"), ended("read"))
    operation, progress = apply(Action.UP, *events)
    assert operation.finished_steps == len(events)
    assert progress == [
        f"created {BUCKET} logs",
        f"created the replacement of {BUCKET} logs",
        f"deleted the replaced {BUCKET} logs",
    ]


@pytest.mark.parametrize(
    ("op", "kind", "new", "changed"),
    [
        ("create", BUCKET, {"custom": True}, True),
        ("same", BUCKET, {"custom": True}, False),
        ("create", "shop:Group", {"custom": False}, False),
        ("create", "pulumi:providers:aws", {"custom": True}, False),
        ("delete", BUCKET, None, False),
    ],
    ids=["created", "unchanged", "component", "provider", "deleted"],
)
def test_only_a_changed_resource_of_a_provider_changes_aws(op: str, kind: str, new: Any, *, changed: bool) -> None:
    operation, _ = apply(Action.UP, ended(op, type=kind, new=new))
    assert operation.changed_aws is changed


def test_a_preview_changes_nothing_in_aws() -> None:
    operation, progress = apply(Action.PREVIEW, ended("create", new={"custom": True}))
    assert (operation.changed_aws, progress) == (False, [])


def test_outputs_are_those_of_the_stack_resource() -> None:
    stack = ended("update", type=STACK, old={"outputs": {"a": 1}}, new={"outputs": {"a": 2}})
    operation, _ = apply(Action.UP, stack, ended("create", new={"outputs": {"a": 3}}))
    assert (operation.old_outputs, operation.outputs) == ({"a": 1}, {"a": 2})


def test_outputs_stay_if_a_later_event_of_the_stack_has_none() -> None:
    events = (ended("update", type=STACK, new={"outputs": {"a": 2}}), ended("update", type=STACK, new={}))
    assert apply(Action.UP, *events)[0].outputs == {"a": 2}


def test_a_complete_destroy_deletes_the_stack_resource_last() -> None:
    operation, _ = apply(Action.DESTROY, ended("delete"))
    assert not operation.deleted_stack
    operation, _ = apply(Action.DESTROY, ended("delete"), ended("delete", type=STACK))
    assert operation.deleted_stack


def test_drift_is_every_difference_but_references_to_other_stacks() -> None:
    values = {"old": {"outputs": {"a": 1}}, "new": {"outputs": {"a": 2}}}
    reference = ended("update", type=STACK_REFERENCE, name="upstream", **values)
    operation, progress = apply(Action.DRIFT, ended("update", **values), ended("same", name="kept"), reference)
    assert operation.drifted == [Difference("logs", BUCKET, "a", 1, 2)]
    assert operation.changes == {"differing": 1}
    assert progress == []


def test_an_event_without_a_difference_is_not_counted_as_drift() -> None:
    same = {"old": {"outputs": {"a": 1}}, "new": {"outputs": {"a": 1}}}
    operation, _ = apply(Action.DRIFT, ended("update", diffs=["a"], **same))
    assert (operation.drifted, operation.changes) == ([], {})


def test_a_resource_with_two_differences_counts_once_as_drift() -> None:
    values = {"old": {"outputs": {"a": 1, "b": 1}}, "new": {"outputs": {"a": 2, "b": 2}}}
    operation, _ = apply(Action.DRIFT, ended("update", **values))
    assert (len(operation.drifted), operation.changes) == (2, {"differing": 1})


def test_steps_of_a_killed_engine_count_as_they_end() -> None:
    parts = (ended("delete-replaced"), ended("replace"), ended("create-replacement"))
    operation, _ = apply(Action.UP, began("create"), ended("create"), ended("same"), *parts, began("update"))
    assert operation.changes == {"create": 2, "delete": 1}


def test_a_failed_step_is_kept_with_parent_and_provider() -> None:
    new = {"parent": urn("shop:Group", "group"), "provider": "p::id", "inputs": {"name": "x"}}
    operation, progress = apply(Action.UP, began("create"), step("resOpFailedEvent", "create", new=new))
    [failed] = [change.new for change in operation.failed]
    assert failed is not None
    assert (failed.parent, failed.provider, failed.inputs) == (new["parent"], new["provider"], new["inputs"])
    assert (operation.changes, progress) == ({}, [])


def test_the_summary_replaces_the_count_of_the_steps() -> None:
    parts = (ended("create"), ended("delete-replaced"), ended("replace"), ended("create-replacement"))
    operation, _ = apply(Action.UP, *parts, line("summaryEvent", {"resourceChanges": {"create": 1, "replace": 1}}))
    assert operation.changes == {"create": 1, "replace": 1}


def diagnostic(severity: str, message: str, about: str = "") -> str:
    return line("diagnosticEvent", {"severity": severity, "message": message, "urn": about})


@pytest.mark.parametrize(
    ("about", "text"), [("", "no room"), (urn(), "logs: no room"), (urn(STACK, "shop-base-dev"), "no room")]
)
def test_an_error_names_its_resource_unless_it_concerns_the_stack(about: str, text: str) -> None:
    operation, progress = apply(Action.UP, diagnostic("error", "no room", about))
    assert (operation.errors, operation.warnings, progress) == ([text], [], [])


def test_a_warning_becomes_one_line() -> None:
    operation, progress = apply(Action.UP, diagnostic("warning", "it is\n  deprecated\n", urn()))
    assert operation.warnings == ["logs: it is deprecated"]
    assert progress == ["warning: logs: it is deprecated"]


def test_information_is_reported_and_not_kept() -> None:
    operation, progress = apply(Action.UP, diagnostic("info", "hello"), diagnostic("info#err", "", urn()))
    assert (operation.errors, operation.warnings, progress) == ([], [], ["hello"])


def test_a_diagnostic_for_developers_or_of_noise_is_dropped() -> None:
    events = (diagnostic("debug", "hello"), diagnostic("error", "update failed"), diagnostic("error", " \n"))
    operation, progress = apply(Action.UP, *events)
    assert (operation.errors, operation.warnings, progress) == ([], [], [])


def test_a_mandatory_policy_fails_the_layer_and_any_other_one_warns() -> None:
    violation = {"resourceUrn": urn(), "message": "Why.\nfix it"}
    events = (line("policyEvent", violation | {"enforcementLevel": level}) for level in ("mandatory", "advisory"))
    operation, progress = apply(Action.UP, *events)
    sentence = f"{BUCKET} logs breaks fix it"
    assert (operation.errors, operation.warnings) == ([sentence], [sentence])
    assert progress == [f"error: {sentence}", f"warning: {sentence}"]


def test_the_summary_ends_the_output() -> None:
    operation, _ = apply(Action.UP)
    assert not operation.saw_summary
    operation, _ = apply(Action.UP, line("summaryEvent", {"resourceChanges": {"create": 2}}))
    assert (operation.saw_summary, operation.counts) == (True, {"create": 2})


def test_plain_text_is_an_error_whose_indented_lines_belong_to_it() -> None:
    operation, _ = apply(Action.UP, "error: no stack\n", "  and no room\n", "\n", "next\n")
    assert operation.errors == ["error: no stack\n  and no room", "next"]


def test_a_crash_of_the_engine_is_one_error_with_its_first_sentence() -> None:
    operation, _ = apply(
        Action.UP, "fatal error: no luck\n", "\n", "runtime stack:\n", "main.main()\n", "\t/a.go:1\n"
    )
    [crash] = operation.errors
    assert errors.trimmed(crash) == "fatal error: no luck"


def test_a_json_document_over_several_lines_is_not_an_error() -> None:
    assert apply(Action.UP, "{\n", '  "stack": "dev"\n', "}\n")[0].errors == []
