"""Runs over a graph of layers, with a script that prints events in place of the engine."""

import errno
import json
import stat
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.engine import program_host
from tools.orchestrator.engine.process import OperationProcess
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.operation import Action, Operation, OperationStatus, Step
from tools.orchestrator.model.plan import Plan
from tools.orchestrator.run.scheduler import Run

READS = {
    "network": (),
    "security": (),
    "streaming": ["security"],
    "data": ["network", "security"],
    "monitoring": ["network", "security", "streaming", "data"],
}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Workspace]:
    """Return a function to a workspace whose engine is a shell script; `$layer` is the layer that it works on.

    A script that exits with 0 ends with the engine's last event, the summary. No layer's program is started.
    """
    monkeypatch.setattr(program_host, "start", lambda *_: None)
    monkeypatch.setattr(program_host, "serve", lambda *_: nullcontext(program_host.Runtime("nowhere", 0)))

    def make(script: str) -> Workspace:
        (tmp_path / "summary").write_text('{"sequence": 99, "summaryEvent": {"resourceChanges": {}}}\n')
        engine = tmp_path / "pulumi"
        engine.write_text(
            '#!/bin/sh\nfor word; do last=$word; done\nlayer=$(basename "$last")\n'
            'for word; do case $word in */projects/*) layer=$(basename "$word");; esac; done\n'
            f"trap '[ $? = 0 ] && cat {tmp_path}/summary' EXIT\n{script}"
        )
        engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
        monorepo = make_monorepo(tmp_path, READS, stateful_types=["aws:ec2/vpc:Vpc"])
        return make_workspace(monorepo, "local", engine=tmp_path)

    return make


def run(
    workspace: Workspace, waits_for: dict | None = None, parallel: int = 4, on_progress: Callable | None = None
) -> Run:
    graph = READS if waits_for is None else waits_for
    result = Run(workspace, Action.UP, graph, workspace.monorepo.root)
    result.execute(on_progress or (lambda *_: None), parallel)
    return result


def statuses(result: Run) -> dict[str, str]:
    return {layer: str(operation.status) for layer, operation in result.operations.items()}


def test_all_layers_succeed_and_the_exit_code_is_0(workspace) -> None:
    result = run(workspace("exit 0"))
    assert set(statuses(result).values()) == {"succeeded"}
    assert result.exit_code == 0


def test_a_layer_begins_after_the_layers_that_it_reads_have_ended(workspace) -> None:
    result = run(workspace("sleep 0.05"))
    for layer, needs in READS.items():
        for need in needs:
            assert result.operations[need].ended <= result.operations[layer].began


def test_independent_layers_run_at_the_same_time(workspace) -> None:
    result = run(workspace("sleep 0.3"))
    network, security = result.operations["network"], result.operations["security"]
    assert max(network.began, security.began) < min(network.ended, security.ended)


def test_parallel_1_runs_one_layer_at_a_time(workspace) -> None:
    operations = sorted(run(workspace("sleep 0.05"), parallel=1).operations.values(), key=lambda one: one.began)
    assert all(one.ended <= next_.began for one, next_ in pairwise(operations))


def test_a_failed_layer_stops_its_dependents_only(workspace) -> None:
    result = run(workspace('[ "$layer" = streaming ] && { echo "error: no room"; exit 255; } || exit 0'))
    assert statuses(result) == {
        "network": "succeeded",
        "security": "succeeded",
        "streaming": "failed",
        "data": "succeeded",
        "monitoring": "skipped",
    }
    assert result.operations["streaming"].reason == "no room"
    assert result.operations["monitoring"].reason == "waits for streaming"
    assert result.exit_code == 1


def test_layers_are_waited_for_in_the_order_of_the_graph(workspace) -> None:
    class Reversed(frozenset):
        """A set whose order differs from the graph's, as it may in every process."""

        def __iter__(self) -> Iterator[str]:
            return reversed([layer for layer in READS if layer != "monitoring"])

    result = run(workspace("exit 1"), {**READS, "monitoring": Reversed(READS["monitoring"])})
    assert result.operations["monitoring"].reason == "waits for network, security, streaming, data"


def interrupted(workspace: Callable[[str], Workspace], action: Action, answer: str, *, times: int = 1) -> Run:
    """Return a run whose first engine is interrupted while it works, and then runs the script `answer`."""
    running = threading.Event()
    begun = json.dumps({"sequence": 1, "diagnosticEvent": {"severity": "warning", "message": "begun"}})
    given = workspace(f"trap '{answer}' INT\necho '{begun}'\nsleep 10 & wait; wait")
    result = Run(given, action, READS, given.monorepo.root)

    def interrupt() -> None:
        for _ in range(times):
            running.wait(10)
            running.clear()
            result.interrupt()

    helper = threading.Thread(target=interrupt)
    helper.start()
    result.execute(lambda _, line: running.set() if line.startswith("warning: ") else None, parallel=1)
    helper.join()
    return result


@pytest.mark.parametrize(
    "answer", ['echo "error: update canceled"; exit 255', 'echo "error: update cancelled"; exit 255', "exit 1"]
)
def test_an_interruption_reaches_the_engine_and_starts_no_more_layers(workspace, answer: str) -> None:
    result = interrupted(workspace, Action.UP, answer)
    assert result.exit_code == 130
    assert "interrupted" in statuses(result).values()
    assert "succeeded" not in statuses(result).values()
    assert all(
        operation.status in {OperationStatus.INTERRUPTED, OperationStatus.SKIPPED}
        for operation in result.operations.values()
    )


@pytest.mark.parametrize("approved", [None, Plan(env="local", layers={"network": {"steps": [], "outputs": {}}})])
def test_an_interruption_just_before_the_engine_starts_reaches_it(workspace, tmp_path, approved: Plan) -> None:
    given = workspace(f'sleep 1\necho "$1" >> {tmp_path}/ended')
    result = Run(given, Action.UP, {"network": ()}, tmp_path, approved)
    result.execute(lambda *_: result.interrupt() if not result.interruptions else None, 1)
    assert statuses(result)["network"] in {"interrupted", "skipped"}
    assert not (tmp_path / "ended").exists()


def test_only_one_layer_fails_on_a_full_disk_once_its_engine_has_ended(workspace, tmp_path) -> None:
    begun = json.dumps({"sequence": 1, "diagnosticEvent": {"severity": "warning", "message": "begun"}})
    given = workspace(f"[ $layer = security ] || exit 0\necho '{begun}'\nsleep 0.3\ntouch {tmp_path}/ended")

    def on_progress(_: Operation, line: str) -> None:
        if "begun" in line:
            raise OSError(errno.ENOSPC, "No space left on device", "run.json")

    result = run(given, on_progress=on_progress)
    assert (tmp_path / "ended").exists()
    assert statuses(result)["security"] == "failed"
    assert statuses(result)["network"] == "succeeded"
    assert result.operations["security"].reason == "run.json: No space left on device"


@pytest.mark.parametrize("action", [Action.UP, Action.PREVIEW, Action.DESTROY])
@pytest.mark.parametrize("state", ["busy", "stopped"])
@pytest.mark.usefixtures("soon_killed")
def test_a_second_interruption_ends_an_engine_that_does_not_end(
    workspace, tmp_path, action: Action, state: str
) -> None:
    asked = {"sequence": 2, "diagnosticEvent": {"severity": "warning", "message": "asked once"}}
    (tmp_path / "asked").write_text(json.dumps(asked) + "\n")
    stop = "kill -STOP $$" if state == "stopped" else ":"
    result = interrupted(workspace, action, f"cat {tmp_path}/asked; {stop}", times=2)
    assert "asked once" in result.operations["network"].warnings + result.operations["security"].warnings
    assert (result.result, result.exit_code) == ("forced", 130)
    assert Counter(statuses(result).values()) == {"interrupted": 1, "skipped": 4}


def test_an_interrupted_destroy_fails_even_if_the_engine_exits_with_0(workspace) -> None:
    result = interrupted(workspace, Action.DESTROY, "exit 0")
    assert Counter(statuses(result).values()) == {"interrupted": 1, "skipped": 4}


def test_a_destroy_interrupted_after_its_last_step_succeeds(workspace, tmp_path) -> None:
    gone = {"sequence": 2, "resOutputsEvent": {"metadata": {**STACK, "op": "delete"}}}
    (tmp_path / "gone").write_text(json.dumps(gone) + "\n")
    result = interrupted(workspace, Action.DESTROY, f"cat {tmp_path}/gone; exit 0")
    assert Counter(statuses(result).values()) == {"succeeded": 1, "skipped": 4}


def printing(*events: dict, code: int = 0) -> str:
    """Return a script that prints the events and exits with `code`. A summary among the events is the only one."""
    lines = "\n".join(json.dumps({"sequence": number} | event) for number, event in enumerate(events))
    no_other = "trap - EXIT\n" if "summaryEvent" in lines else ""
    return f"cat <<'END'\n{lines}\nEND\n{no_other}exit {code}"


VPC = {"urn": "urn:pulumi:local::txmon-network::aws:ec2/vpc:Vpc::vpc-local", "type": "aws:ec2/vpc:Vpc"}
STACK = {"urn": "urn:pulumi:local::txmon-network::pulumi:pulumi:Stack::s", "type": "pulumi:pulumi:Stack"}
EVENTS = (
    {"resourcePreEvent": {"metadata": {**VPC, "op": "replace", "keys": ["cidrBlock"]}}},
    {"resOutputsEvent": {"metadata": {**VPC, "op": "replace"}}},
    {"diagnosticEvent": {"severity": "warning", "urn": VPC["urn"], "message": "slow today\n"}},
    {"diagnosticEvent": {"severity": "debug", "message": "not for people"}},
    {"resOutputsEvent": {"metadata": {**STACK, "op": "same", "new": {"outputs": {"vpc_id": "vpc-1"}}}}},
    {"summaryEvent": {"resourceChanges": {"same": 3, "replace": 1}}},
)


def test_events_become_steps_changes_outputs_and_lines(workspace) -> None:
    lines: list[str] = []
    operation = run(
        workspace(printing(*EVENTS)), {"network": ()}, on_progress=lambda _, line: lines.append(line)
    ).operations["network"]
    assert operation.steps == [Step("replace", VPC["type"], "vpc-local", ("cidrBlock",), stateful=True)]
    assert operation.changes == {"replace": 1}
    assert operation.outputs == {"vpc_id": "vpc-1"}
    assert operation.warnings == ["vpc-local: slow today"]
    assert lines[0].startswith("pulumi up --yes --skip-preview --stack local --cwd projects/network")
    assert "replaced aws:ec2/vpc:Vpc vpc-local" in lines
    assert not any("not for people" in line for line in lines)


def test_a_line_read_in_the_middle_of_a_character_is_completed(workspace) -> None:
    line = json.dumps({"sequence": 1, "diagnosticEvent": {"severity": "warning", "message": "é"}}, ensure_ascii=False)
    head, tail = line.split("é")
    script = f"printf '%s\\303' '{head}'; sleep 0.3; printf '\\251%s\\n' '{tail}'"
    assert run(workspace(script), {"network": ()}).operations["network"].warnings == ["é"]


@pytest.mark.parametrize("op", ["read", "discard", "refresh", "read-replacement", "import-replacement", "new"])
def test_a_plan_leaves_out_steps_that_change_nothing(workspace, op: str) -> None:
    script = printing({"resourcePreEvent": {"metadata": {**VPC, "op": op}}})
    given = workspace(script)
    result = Run(given, Action.PREVIEW, {"network": ()}, given.monorepo.root)
    result.execute(lambda *_: None, 1)
    assert result.operations["network"].steps == []


def test_planned_outputs_of_any_size_reach_previews_of_readers(workspace) -> None:
    stack = {**STACK, "op": "create", "new": {"outputs": {"name": "x" * 200_000}}}
    given = workspace(printing({"resOutputsEvent": {"metadata": stack}}))
    result = Run(given, Action.PREVIEW, {"security": (), "streaming": ["security"]}, given.monorepo.root)
    result.execute(lambda *_: None, 1)
    assert result.ok, result.operations["streaming"].reason


@pytest.mark.parametrize(
    ("counts", "code", "resource_count"),
    [
        ({"same": 71, "update": 1, "create": 1, "delete": 3, "read": 1}, 0, 73),
        ({"delete": 73}, 0, 0),
        ({"delete": 49}, 255, None),
        ({"create": 10}, 255, None),
    ],
)
def test_the_resource_count_is_known_only_if_the_layer_succeeded(
    workspace, counts: dict[str, int], code: int, resource_count: int | None
) -> None:
    script = printing({"summaryEvent": {"resourceChanges": counts}}, code=code)
    assert run(workspace(script), {"network": ()}).operations["network"].resource_count == resource_count


def test_a_preview_keeps_each_resource_before_and_after_the_deploy(workspace) -> None:
    old, new, kept = ({"inputs": {"cidrBlock": value}} for value in ("old", "new", "kept"))
    gone = {"urn": "urn:pulumi:local::txmon-network::aws:ec2/vpc:Vpc::gone", "type": VPC["type"]}
    same = {"urn": "urn:pulumi:local::txmon-network::aws:ec2/vpc:Vpc::same", "type": VPC["type"]}
    steps = (
        {**VPC, "op": "create-replacement", "old": old, "new": new},
        {**VPC, "op": "replace", "old": old, "new": new},
        {**VPC, "op": "delete-replaced", "old": old, "new": None},
        {**same, "op": "same", "old": kept, "new": kept},
        {**gone, "op": "delete", "old": old, "new": None},
    )
    given = workspace(printing(*({"resourcePreEvent": {"metadata": step}} for step in steps)))
    result = Run(given, Action.PREVIEW, {"network": ()}, given.monorepo.root)
    result.execute(lambda *_: None, 1)
    operation = result.operations["network"]

    def inputs(resources: dict) -> dict[str, str]:
        return {resource.name: resource.inputs["cidrBlock"] for resource in resources.values()}

    assert inputs(operation.present) == {"vpc-local": "old", "same": "kept", "gone": "old"}
    assert inputs(operation.planned) == {"vpc-local": "new", "same": "kept"}


def test_a_missing_stack_is_created_when_its_layer_begins(workspace, tmp_path) -> None:
    given = workspace(f'echo "$1 $layer" >> {tmp_path}/commands\nsleep 0.1')
    lines: list[str] = []
    result = Run(given, Action.UP, {"security": (), "streaming": ["security"]}, tmp_path, missing=["streaming"])
    result.execute(lambda _, line: lines.append(line), 4)
    assert (tmp_path / "commands").read_text().splitlines() == ["up security", "stack streaming", "up streaming"]
    assert "pulumi stack init --no-select --stack local --cwd projects/streaming" in lines
    assert result.operations["streaming"].seconds >= 0.2
    assert given.created == {"streaming"}


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        ({**VPC, "op": "create", "new": {"custom": True}}, True),
        ({**VPC, "op": "delete", "old": {"custom": True}}, False),
        ({**VPC, "op": "same", "new": {"custom": True}}, False),
        ({"urn": "urn::stack", "type": "pulumi:pulumi:Stack", "op": "create", "new": {}}, False),
        ({"urn": "urn::aws", "type": "pulumi:providers:aws", "op": "create", "new": {"custom": True}}, False),
        ({"urn": "urn::net", "type": "txmon:network:Vpc", "op": "create", "new": {"custom": False}}, False),
    ],
    ids=["created", "deleted", "nothing", "stack", "provider", "component"],
)
def test_a_stack_file_keeps_the_engines_keys_only_if_a_resource_was_created(
    workspace, tmp_path, last: dict, kept: bool
) -> None:
    file = tmp_path / "projects/network/Pulumi.local.yaml"
    copy = "$(echo $* | sed -n 's/.*--config-file \\([^ ]*\\).*/\\1/p')"
    script = f"echo 'encryptionsalt: v1' >> {copy}\n[ $1 = stack ] && exit 0\n"
    given = workspace(script + printing({"resOutputsEvent": {"metadata": last}}, code=255))
    before = file.read_text()
    result = Run(given, Action.UP, {"network": ()}, tmp_path, missing=["network"])
    result.execute(lambda *_: None, 1)
    assert file.read_text() == before + "encryptionsalt: v1\n" * kept
    assert result.files_with_added_keys == [file] * kept


def test_a_stack_file_that_cannot_be_written_is_a_warning_and_no_failure(workspace, tmp_path, monkeypatch) -> None:
    created = {"metadata": {**VPC, "op": "create", "new": {"custom": True}}}
    copy = "$(echo $* | sed -n 's/.*--config-file \\([^ ]*\\).*/\\1/p')"
    given = workspace(f"echo 'encryptionsalt: v1' >> {copy}\n" + printing({"resOutputsEvent": created}))

    def refuse(path: Path, _: bytes) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)  # root may write everywhere
    result = run(given, {"network": ()})
    assert result.ok
    assert result.files_with_added_keys == []
    [warning] = result.operations["network"].warnings
    assert warning.startswith(f"{tmp_path}/projects/network/Pulumi.local.yaml: Permission denied: how the stack's")


def test_a_stack_that_cannot_be_created_fails_its_layer(workspace, tmp_path) -> None:
    given = workspace('[ "$1" = up ] || { echo "error: no room" >&2; exit 255; }')
    result = Run(given, Action.UP, READS, tmp_path, missing=["streaming"])
    result.execute(lambda *_: None, 4)
    assert result.operations["streaming"].reason == "no room"
    assert statuses(result)["monitoring"] == "skipped"
    assert statuses(result)["data"] == "succeeded"


def test_an_interruption_while_a_stack_is_created_skips_its_layer(workspace, tmp_path) -> None:
    given = workspace(f'echo "$1" >> {tmp_path}/commands')
    result = Run(given, Action.UP, {"network": ()}, tmp_path, missing=["network"])
    result.execute(lambda *_: result.interrupt(), 1)
    assert statuses(result) == {"network": "skipped"}
    assert (tmp_path / "commands").read_text() == "stack\n"


def test_a_traceback_is_reported_as_its_last_line(workspace) -> None:
    message = "Program failed:\nTraceback (most recent call last):\n  File x\nZeroDivisionError: division by zero\n"
    script = printing({"diagnosticEvent": {"severity": "error", "message": message}}, code=255)
    operation = run(workspace(script), {"network": ()}).operations["network"]
    assert operation.reason == "the program failed: ZeroDivisionError: division by zero"


def test_a_failure_that_cancels_other_resources_is_not_an_interruption(workspace) -> None:
    script = "echo 'error: creating a queue: context canceled'; echo 'error: no room'; exit 255"
    operation = run(workspace(script), {"network": ()}).operations["network"]
    assert operation.status is OperationStatus.FAILED
    assert "no room" in operation.reason


def test_an_engine_without_summary_fails_even_if_it_exits_with_0(workspace) -> None:
    operation = run(workspace("trap - EXIT; exit 0"), {"network": ()}).operations["network"]
    assert operation.status is OperationStatus.FAILED
    assert operation.reason.endswith("free disk space and run it again")


def test_an_engine_that_fails_silently_is_reported_with_its_command(workspace) -> None:
    operation = run(workspace("exit 3"), {"network": ()}).operations["network"]
    assert operation.status is OperationStatus.FAILED
    assert "code 3" in operation.reason
    assert "pulumi up" in operation.reason


def test_an_update_has_a_message_with_user_and_sources_a_preview_has_none(workspace, tmp_path) -> None:
    given = workspace(f'echo "$@" > {tmp_path}/arguments')
    run(given, {"network": ()})
    assert "--message shop up by " in (tmp_path / "arguments").read_text()
    assert ", sources " in (tmp_path / "arguments").read_text()
    preview = Operation("network", Action.PREVIEW)
    OperationProcess(preview, given, lambda _: None).run("never", tmp_path / "events")
    assert "--message" not in (tmp_path / "arguments").read_text()


def test_a_silent_engine_is_reported_then_killed_and_what_it_worked_on_is_named(workspace, tmp_path) -> None:
    step = {"op": "create", "type": "aws:rds/instance:Instance", "urn": "urn:pulumi:local::shop::aws:rds::db"}
    begun = json.dumps({"sequence": 1, "resourcePreEvent": {"metadata": step}})
    given = workspace(f"echo '{begun}'\nkill -STOP $$")
    told: list[str] = []
    operation = Operation("network", Action.UP)
    process = OperationProcess(operation, given, told.append, silence_seconds=0.6, report_seconds=0.2)
    process.run("message", tmp_path / "events")
    assert operation.status is OperationStatus.FAILED
    assert operation.reason.endswith("was killed; it worked on aws:rds/instance:Instance db")
    assert told[1] == "aws:rds/instance:Instance db: no event of the engine for 0 min"
    assert process.interrupted_pid


def test_an_engine_that_goes_on_writing_may_take_longer_than_its_silence(workspace, tmp_path) -> None:
    line = json.dumps({"sequence": 1, "preludeEvent": {}})
    given = workspace(f"for _ in 1 2 3 4 5 6; do echo '{line}'; sleep 0.2; done")
    operation = Operation("network", Action.UP)
    OperationProcess(operation, given, lambda _: None, silence_seconds=0.8).run("message", tmp_path / "events")
    assert operation.status is OperationStatus.SUCCEEDED


def test_a_program_that_takes_too_long_beside_the_engine_fails_its_layer(workspace) -> None:
    def stuck(_: Operation, line: str) -> None:
        if line:
            raise subprocess.TimeoutExpired(["git", "ls-files"], 120)

    operation = run(workspace("exit 0"), {"network": ()}, on_progress=stuck).operations["network"]
    assert operation.status is OperationStatus.FAILED
    assert operation.reason.startswith("git ls-files did not end within 2 min")
