"""The runner's schedule, with a stand-in for the engine: a script that prints events."""

import errno
import json
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import pytest
from tools.orchestrator.engine.operation import Action, Operation, Status

from shared.environments import Environment
from shared.graph import LAYERS
from tools.engine.install import Engine
from tools.orchestrator.engine import policy_host, program_host, stack_file_guard
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.run.plan import Plan
from tools.orchestrator.run.scheduler import Run

READS = {name: info.reads for name, info in LAYERS.items()}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Workspace]:
    """A workspace whose engine is a shell script; `$layer` in it is the layer it works on.

    Where all goes well it ends with the event that the engine ends with. No program nor policy pack is
    started beside it.
    """
    monkeypatch.setattr(program_host, "warm", lambda **_: None)
    monkeypatch.setattr(program_host, "serving", lambda *_: nullcontext(program_host.Runtime("nowhere", 0)))
    monkeypatch.setattr(policy_host, "start", lambda: None)
    monkeypatch.setattr(policy_host, "with_pack", lambda given: given)

    def make(script: str) -> Workspace:
        (tmp_path / "summary").write_text('{"sequence": 99, "summaryEvent": {"resourceChanges": {}}}\n')
        engine = tmp_path / "pulumi"
        engine.write_text(
            '#!/bin/sh\nfor word; do last=$word; done\nlayer=$(basename "$last")\n'
            'for word; do case $word in */projects/*) layer=$(basename "$word");; esac; done\n'
            f"trap '[ $? = 0 ] && cat {tmp_path}/summary' EXIT\n{script}"
        )
        engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
        return Workspace(Environment(name="local"), Engine(tmp_path, "v0", "a script"), {})

    return make


def run(workspace: Workspace, waits_for: dict | None = None, parallel: int = 4, tell: Callable | None = None) -> Run:
    result = Run(workspace, Action.UP, READS if waits_for is None else waits_for, workspace.engine.folder)
    result.execute(tell or (lambda *_: None), parallel)
    return result


def statuses(result: Run) -> dict[str, str]:
    return {layer: str(operation.status) for layer, operation in result.operations.items()}


def test_all_layers_succeed_and_the_exit_code_is_0(workspace) -> None:
    result = run(workspace("exit 0"))
    assert set(statuses(result).values()) == {"succeeded"}
    assert result.exit_code == 0


def test_a_layer_begins_only_after_those_it_reads_have_ended(workspace) -> None:
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


def test_what_a_layer_waits_for_is_told_in_the_order_of_the_graph(workspace) -> None:
    class Reversed(frozenset):
        """A set that gives its members in an order of its own, as every process does with strings."""

        def __iter__(self) -> Iterator[str]:
            return reversed(list(READS))

    result = run(workspace("exit 1"), {**READS, "monitoring": Reversed(READS["monitoring"])})
    assert result.operations["monitoring"].reason == "waits for network, security, streaming, data"


def interrupted(workspace: Callable[[str], Workspace], action: Action, answer: str, *, times: int = 1) -> Run:
    """A run whose first engine is interrupted at its work and then does what the script `answer` says."""
    running = threading.Event()
    begun = json.dumps({"sequence": 1, "diagnosticEvent": {"severity": "warning", "message": "begun"}})
    given = workspace(f"trap '{answer}' INT\necho '{begun}'\nsleep 10 & wait; wait")
    result = Run(given, action, READS, given.engine.folder)

    def interrupt() -> None:
        for _ in range(times):
            running.wait(10)
            running.clear()
            result.interrupt()

    helper = threading.Thread(target=interrupt)
    helper.start()
    result.execute(lambda operation, _: running.set() if operation.process else None, parallel=1)
    helper.join()
    return result


@pytest.mark.parametrize(
    "answer", ['echo "error: update canceled"; exit 255', 'echo "error: update cancelled"; exit 255', "exit 1"]
)
def test_an_interruption_reaches_the_engines_and_starts_nothing_more(workspace, answer: str) -> None:
    result = interrupted(workspace, Action.UP, answer)
    assert result.exit_code == 130
    assert "interrupted" in statuses(result).values()
    assert "succeeded" not in statuses(result).values()
    assert all(operation.status in {Status.INTERRUPTED, Status.SKIPPED} for operation in result.operations.values())


@pytest.mark.parametrize("approved", [None, Plan(env="local", layers={"network": {"steps": [], "outputs": {}}})])
def test_an_interruption_just_before_the_engine_starts_reaches_it_too(workspace, tmp_path, approved: Plan) -> None:
    given = workspace(f'sleep 1\necho "$1" >> {tmp_path}/ended')
    result = Run(given, Action.UP, {"network": ()}, tmp_path, approved)
    result.execute(lambda *_: result.interrupt() if not result.interruptions else None, 1)
    assert statuses(result)["network"] in {"interrupted", "skipped"}
    assert not (tmp_path / "ended").exists()


def test_an_engine_is_waited_for_and_only_its_layer_fails_where_the_disk_is_full(workspace, tmp_path) -> None:
    begun = json.dumps({"sequence": 1, "diagnosticEvent": {"severity": "warning", "message": "begun"}})
    given = workspace(f"[ $layer = security ] || exit 0\necho '{begun}'\nsleep 0.3\ntouch {tmp_path}/ended")

    def tell(_: Operation, line: str) -> None:
        if "begun" in line:
            raise OSError(errno.ENOSPC, "No space left on device", "run.json")

    result = run(given, tell=tell)
    assert (tmp_path / "ended").exists()
    assert statuses(result)["security"] == "failed"
    assert statuses(result)["network"] == "succeeded"
    assert result.operations["security"].reason == "run.json: No space left on device"


@pytest.mark.parametrize("action", [Action.UP, Action.PREVIEW, Action.DESTROY])
def test_a_second_interruption_reaches_the_engines_too_and_is_told_as_forced(
    workspace, tmp_path, action: Action
) -> None:
    asked = {"sequence": 2, "diagnosticEvent": {"severity": "warning", "message": "asked once"}}
    (tmp_path / "asked").write_text(json.dumps(asked) + "\n")
    answer = f"[ $asked ] && exit 1; asked=once; cat {tmp_path}/asked"
    result = interrupted(workspace, action, answer, times=2)
    assert "asked once" in result.operations["network"].warnings + result.operations["security"].warnings
    assert (result.result, result.exit_code) == ("forced", 130)
    assert Counter(statuses(result).values()) == {"interrupted": 1, "skipped": 4}


def test_a_destroy_that_was_cut_short_has_not_succeeded_though_the_engine_says_so(workspace) -> None:
    result = interrupted(workspace, Action.DESTROY, "exit 0")
    assert Counter(statuses(result).values()) == {"interrupted": 1, "skipped": 4}


def test_a_destroy_that_was_interrupted_when_all_was_gone_has_succeeded(workspace, tmp_path) -> None:
    gone = {"sequence": 2, "resOutputsEvent": {"metadata": {**STACK, "op": "delete"}}}
    (tmp_path / "gone").write_text(json.dumps(gone) + "\n")
    result = interrupted(workspace, Action.DESTROY, f"cat {tmp_path}/gone; exit 0")
    assert Counter(statuses(result).values()) == {"succeeded": 1, "skipped": 4}


def printing(*events: dict, code: int = 0) -> str:
    """A script that prints the events and ends with `code`."""
    lines = "\n".join(json.dumps({"sequence": number} | event) for number, event in enumerate(events))
    return f"cat <<'END'\n{lines}\nEND\nexit {code}"


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


def test_the_events_of_the_engine_become_steps_changes_outputs_and_lines(workspace) -> None:
    lines: list[str] = []
    operation = run(
        workspace(printing(*EVENTS)), {"network": ()}, tell=lambda _, line: lines.append(line)
    ).operations["network"]
    assert [(step.op, step.name, step.keys) for step in operation.steps] == [("replace", "vpc-local", ("cidrBlock",))]
    assert operation.changed == {"replace": 1}
    assert operation.outputs == {"vpc_id": "vpc-1"}
    assert operation.warnings == ["vpc-local: slow today"]
    assert lines[0].startswith(
        "pulumi up --yes --skip-preview --policy-pack ../../shared/policies/pack --stack local --cwd projects/network"
    )
    assert "replaced aws:ec2/vpc:Vpc vpc-local" in lines
    assert not any("not for people" in line for line in lines)


def test_a_line_that_is_read_in_the_middle_of_a_character_is_taken_whole(workspace) -> None:
    line = json.dumps({"sequence": 1, "diagnosticEvent": {"severity": "warning", "message": "é"}}, ensure_ascii=False)
    head, tail = line.split("é")
    script = f"printf '%s\\303' '{head}'; sleep 0.3; printf '\\251%s\\n' '{tail}'"
    assert run(workspace(script), {"network": ()}).operations["network"].warnings == ["é"]


@pytest.mark.parametrize("op", ["read", "discard", "refresh", "read-replacement", "import-replacement", "new"])
def test_a_step_that_changes_nothing_by_itself_is_no_part_of_a_plan(workspace, op: str) -> None:
    script = printing({"resourcePreEvent": {"metadata": {**VPC, "op": op}}})
    given = workspace(script)
    result = Run(given, Action.PREVIEW, {"network": ()}, given.engine.folder)
    result.execute(lambda *_: None, 1)
    assert result.operations["network"].steps == []


def test_planned_outputs_of_any_size_reach_the_previews_of_the_readers(workspace) -> None:
    stack = {**STACK, "op": "create", "new": {"outputs": {"name": "x" * 200_000}}}
    given = workspace(printing({"resOutputsEvent": {"metadata": stack}}))
    result = Run(given, Action.PREVIEW, {"security": (), "streaming": ["security"]}, given.engine.folder)
    result.execute(lambda *_: None, 1)
    assert result.ok, result.operations["streaming"].reason


@pytest.mark.parametrize(
    ("counted", "code", "holds"),
    [
        ({"same": 71, "update": 1, "create": 1, "delete": 3, "read": 1}, 0, 73),
        ({"delete": 73}, 0, 0),
        ({"delete": 49}, 255, None),
        ({"create": 10}, 255, None),
    ],
)
def test_how_much_a_layer_holds_is_known_only_of_one_that_went_to_its_end(
    workspace, counted: dict[str, int], code: int, holds: int | None
) -> None:
    script = printing({"summaryEvent": {"resourceChanges": counted}}, code=code)
    assert run(workspace(script), {"network": ()}).operations["network"].holds == holds


def test_a_preview_keeps_every_resource_as_it_is_and_as_it_will_be(workspace) -> None:
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
    result = Run(given, Action.PREVIEW, {"network": ()}, given.engine.folder)
    result.execute(lambda *_: None, 1)
    operation = result.operations["network"]

    def inputs(resources: dict) -> dict[str, str]:
        return {resource.name: resource.inputs["cidrBlock"] for resource in resources.values()}

    assert inputs(operation.present) == {"vpc-local": "old", "same": "kept", "gone": "old"}
    assert inputs(operation.planned) == {"vpc-local": "new", "same": "kept"}


def test_a_missing_stack_is_made_when_the_turn_of_its_layer_comes(workspace, tmp_path) -> None:
    given = workspace(f'echo "$1 $layer" >> {tmp_path}/commands\nsleep 0.1')
    lines: list[str] = []
    result = Run(given, Action.UP, {"security": (), "streaming": ["security"]}, tmp_path, missing=["streaming"])
    result.execute(lambda _, line: lines.append(line), 4)
    assert (tmp_path / "commands").read_text().splitlines() == ["up security", "stack streaming", "up streaming"]
    assert "pulumi stack init --no-select --stack local --cwd projects/streaming" in lines
    assert result.operations["streaming"].seconds >= 0.2
    assert given.made == {"streaming"}


@pytest.mark.parametrize(
    ("last", "stays"),
    [
        ({**VPC, "op": "create", "new": {"custom": True}}, True),
        ({**VPC, "op": "delete", "old": {"custom": True}}, False),
        ({**VPC, "op": "same", "new": {"custom": True}}, False),
        ({"urn": "urn::stack", "type": "pulumi:pulumi:Stack", "op": "create", "new": {}}, False),
        ({"urn": "urn::aws", "type": "pulumi:providers:aws", "op": "create", "new": {"custom": True}}, False),
        ({"urn": "urn::net", "type": "txmon:network:Vpc", "op": "create", "new": {"custom": False}}, False),
    ],
    ids=["made", "deleted", "nothing", "stack", "provider", "component"],
)
def test_what_the_engine_writes_into_a_stack_file_stays_only_where_something_was_made(
    workspace, tmp_path, monkeypatch: pytest.MonkeyPatch, last: dict, stays: bool
) -> None:
    monkeypatch.setattr(stack_file_guard, "stack_file", lambda layer, _: tmp_path / f"{layer}.yaml")
    (tmp_path / "network.yaml").write_text("config: {}\n")
    script = f"echo 'encryptionsalt: v1' >> {tmp_path}/network.yaml\n[ $1 = stack ] && exit 0\n"
    given = workspace(script + printing({"resOutputsEvent": {"metadata": last}}, code=255))
    result = Run(given, Action.UP, {"network": ()}, tmp_path, missing=["network"])
    result.execute(lambda *_: None, 1)
    assert (tmp_path / "network.yaml").read_text() == "config: {}\n" + "encryptionsalt: v1\n" * stays
    assert result.given_keys == ["network"] * stays


def test_a_stack_that_cannot_be_made_fails_its_layer(workspace, tmp_path) -> None:
    given = workspace('[ "$1" = up ] || { echo "error: no room" >&2; exit 255; }')
    result = Run(given, Action.UP, READS, tmp_path, missing=["streaming"])
    result.execute(lambda *_: None, 4)
    assert result.operations["streaming"].reason == "no room"
    assert statuses(result)["monitoring"] == "skipped"
    assert statuses(result)["data"] == "succeeded"


def test_an_interruption_while_a_stack_is_made_stops_its_layer(workspace, tmp_path) -> None:
    given = workspace(f'echo "$1" >> {tmp_path}/commands')
    result = Run(given, Action.UP, {"network": ()}, tmp_path, missing=["network"])
    result.execute(lambda *_: result.interrupt(), 1)
    assert statuses(result) == {"network": "skipped"}
    assert (tmp_path / "commands").read_text() == "stack\n"


def test_a_traceback_is_told_as_its_last_line(workspace) -> None:
    message = "Program failed:\nTraceback (most recent call last):\n  File x\nZeroDivisionError: division by zero\n"
    script = printing({"diagnosticEvent": {"severity": "error", "message": message}}, code=255)
    operation = run(workspace(script), {"network": ()}).operations["network"]
    assert operation.reason == "the program failed: ZeroDivisionError: division by zero"


def test_a_failure_that_cancels_other_resources_is_no_interruption(workspace) -> None:
    script = "echo 'error: creating a queue: context canceled'; echo 'error: no room'; exit 255"
    operation = run(workspace(script), {"network": ()}).operations["network"]
    assert operation.status is Status.FAILED
    assert "no room" in operation.reason


def test_an_engine_whose_last_words_a_full_disk_has_kept_back_has_not_succeeded(workspace) -> None:
    operation = run(workspace("trap - EXIT; exit 0"), {"network": ()}).operations["network"]
    assert operation.status is Status.FAILED
    assert operation.reason.endswith("make room on the disk, run it again")


def test_an_engine_that_ends_without_a_word_names_the_command(workspace) -> None:
    operation = run(workspace("exit 3"), {"network": ()}).operations["network"]
    assert operation.status is Status.FAILED
    assert "code 3" in operation.reason
    assert "pulumi up" in operation.reason


def test_a_preview_never_carries_a_message_and_an_update_says_who_and_from_which_sources(workspace, tmp_path) -> None:
    given = workspace(f'echo "$@" > {tmp_path}/arguments')
    run(given, {"network": ()})
    assert "--message txmon up by " in (tmp_path / "arguments").read_text()
    assert ", sources " in (tmp_path / "arguments").read_text()
    Operation("network", Action.PREVIEW).run(given, "never", tmp_path / "events", lambda _: None)
    assert "--message" not in (tmp_path / "arguments").read_text()
