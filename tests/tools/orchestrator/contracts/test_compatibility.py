"""What a change does to the contracts, and who reads them."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from shared.contracts import CONTRACTS, Contract
from shared.environments import environment
from shared.errors import TxmonError
from shared.graph import LAYERS
from tools.orchestrator.contracts import compatibility
from tools.orchestrator.contracts.compatibility import Change, against_commit, changes_table, compare, outputs_table
from tools.orchestrator.contracts.snapshot import Kind, Shape, readers, shapes, work_tree
from tools.orchestrator.engine.operation import STACK, STACK_REFERENCE
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.state.stacks import LayerState


def shown(table: Table) -> str:
    console = Console(width=200, markup=False)  # as the verbs print
    with console.capture() as captured:
        console.print(table)
    return captured.get()


DATA = "shared/contracts/data.py"
PORT = 'redis_port: Annotated[Output[int], Means("Redis\'s port; TLS only.", 6379)]'


def test_the_code_says_what_the_contracts_are() -> None:
    written = shapes(work_tree())
    for layer, contract in CONTRACTS.items():
        promised = {
            name: Kind(getattr(promise.type, "__name__", "") if promise.type in (str, int) else str(promise.type))
            for name, promise in contract.promises().items()
        }
        lengths = {name: promise.length for name, promise in contract.promises().items()}
        found = written[layer]
        assert found.version == contract.version
        assert {name: Kind(kind.type) for name, kind in found.outputs.items()} == promised
        assert {name: kind.length for name, kind in found.outputs.items()} == lengths


@pytest.mark.parametrize("version", ["version: ClassVar[int] = 2", "version = 2"])
def test_the_code_says_which_version_a_contract_has(version: str) -> None:
    layer = 'layer: ClassVar[str] = "data"'
    text = work_tree()[DATA].replace(layer, f"{layer}\n    {version}")
    assert shapes({DATA: text})["data"].version == 2


def test_the_code_says_who_reads_what(run_layer: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against what the programs really do: every access to a contract that another layer has exported."""
    used: set[tuple[str, str, str]] = set()
    running = ""

    def noted(contract: Contract, name: str) -> Any:
        if name in type(contract).promises() and contract.layer != running:
            used.add((contract.layer, name, running))
        return object.__getattribute__(contract, name)

    for contract in CONTRACTS.values():
        monkeypatch.setattr(contract, "__getattribute__", noted, raising=False)
    for running in CONTRACTS:
        for env in ("dev", "prod"):
            run_layer(running, env, config={})  # a run of its own
    told = {(*use, reader) for use, found in readers(work_tree()).items() for reader in found}
    assert used
    assert used <= told


READ = "streams = StreamingContract.read(layer)"
URL = "streams.dead_letter_queue_url"


@pytest.mark.parametrize(
    "program",
    [
        f"def use(streams: StreamingContract | None) -> None:\n    print({URL})",
        f'def use(streams: "StreamingContract | None") -> None:\n    print({URL})',
        f"{READ}\nprint({URL})",
        "print(StreamingContract.read(layer).dead_letter_queue_url)",
        f"one, streams = other, contracts.StreamingContract.read(layer)\nprint({URL})",
        "class Args:\n    streams: StreamingContract\n\nprint(args.streams.dead_letter_queue_url)",
        f"{READ}\nother = streams\nprint(other.dead_letter_queue_url)",
        f"from shared.contracts import StreamingContract as SC\nstreams = SC.read(layer)\nprint({URL})",
        f"streams = StreamingContract.read(layer) if layer else None\nprint({URL})",
        f"if streams := StreamingContract.read(layer):\n    print({URL})",
        "def made() -> StreamingContract:\n    return found\n\nprint(made().dead_letter_queue_url)",
        f'{READ}\nprint(getattr(streams, "dead_letter_queue_url"))',
        f'{READ}\nprint("to {{dead_letter_queue_url}}".format_map(vars(streams)))',
        f"{READ}\nmatch streams:\n    case StreamingContract(dead_letter_queue_url=url):\n        print(url)",
        f"def use(dead_letter_queue_url, **_):\n    print(dead_letter_queue_url)\n\n{READ}\nuse(**vars(streams))",
    ],
    ids=[
        "argument",
        "quoted annotation",
        "read",
        "read on the spot",
        "read with others",
        "attribute",
        "second name",
        "imported by another name",
        "conditional",
        "walrus",
        "result of a function",
        "getattr",
        "template",
        "pattern",
        "unpacked",
    ],
)
def test_a_reader_is_found_however_it_holds_the_contract(program: str) -> None:
    use = ("streaming", "dead_letter_queue_url")
    contracts = {path: text for path, text in work_tree().items() if path.startswith("shared/contracts")}
    assert use not in readers({**contracts, "projects/data/new.py": READ})
    assert readers({**contracts, "projects/data/new.py": program})[use] == ["data"]


def test_a_layer_reads_in_all_of_its_files_what_the_graph_says_or_one_of_them_names() -> None:
    new = {"projects/data/new.py": "def use(read): print(read.endpoint_ids, read.dead_letter_queue_url)"}
    found = readers({**work_tree(), **new})
    assert found["network", "endpoint_ids"] == ["data"]
    assert ("streaming", "dead_letter_queue_url") not in found
    found = readers({**work_tree(), **new, "projects/data/other.py": READ})
    assert found["streaming", "dead_letter_queue_url"] == ["data"]


def test_a_layer_is_no_reader_of_its_own_contract_nor_of_what_every_layer_exports() -> None:
    found = readers(work_tree())
    assert not [use for use, reading in found.items() if use[0] in reading]
    assert ("network", "region") not in found


def test_a_reader_that_is_no_more_is_named_last() -> None:
    gone = {"projects/archive/old.py": f"{READ}\nprint(streams.kinesis_stream_name)"}
    assert readers(work_tree(), gone)["streaming", "kinesis_stream_name"] == ["monitoring", "archive"]


BEFORE = Shape(1, {"vpc_id": Kind("str"), "subnets": Kind("list[str]", 3), "port": Kind("int")})
RAISE = "raise the version in shared/contracts/network.py to 2"


@pytest.mark.parametrize(
    ("outputs", "change"),
    [
        ({"vpc_id": None}, ("vpc_id", "removed")),
        ({"vpc_id": None, "the_vpc_id": Kind("str")}, ("vpc_id", "renamed to the_vpc_id")),
        ({"vpc_id": None, "the_vpc_id": Kind("int")}, ("vpc_id", "removed")),
        ({"vpc_id": None, "address": Kind("str")}, ("vpc_id", "removed")),
        ({"port": Kind("str")}, ("port", "was int, is str")),
        ({"subnets": Kind("list[str]", 2)}, ("subnets", "was list[str] of 3, is list[str] of 2")),
        ({"subnets": Kind("list[str]")}, ("subnets", "was list[str] of 3, is list[str]")),
    ],
)
@pytest.mark.parametrize(("version", "fault"), [(1, RAISE), (2, "")])
def test_what_a_reader_could_notice_raises_the_version(
    outputs: dict[str, Kind | None], change: tuple[str, str], version: int, fault: str
) -> None:
    kept = {name: kind for name, kind in (BEFORE.outputs | outputs).items() if kind is not None}
    [found] = [
        each
        for each in compare({"network": BEFORE}, {"network": Shape(version, kept)}, {})
        if not each.what.startswith("new")
    ]
    assert (found.output, found.what) == change
    assert found.fault == fault


def test_what_readers_cannot_notice_is_no_fault() -> None:
    after = Shape(1, BEFORE.outputs | {"zone": Kind("str")})
    assert compare({"network": BEFORE}, {"network": after}, {}) == [Change("network", "zone", "new, str")]
    assert compare({"network": BEFORE}, {"network": Shape(2, BEFORE.outputs)}, {}) == []
    assert compare({}, {"network": Shape(1, {"zone": Kind("str")})}, {})[0].fault == ""


@pytest.mark.parametrize("version", [1, 2])
def test_an_output_that_is_read_cannot_go_even_with_a_new_version(version: int) -> None:
    kept = {name: kind for name, kind in BEFORE.outputs.items() if name != "port"}
    read_by = {("network", "port"): ["data", "monitoring"], ("network", "vpc_id"): ["data"]}
    [found] = compare({"network": BEFORE}, {"network": Shape(version, kept)}, read_by)
    assert found.readers == ("data", "monitoring")
    assert found.fault.startswith("data, monitoring read it: let them stop first")


def test_a_retyped_output_names_its_readers_who_take_it_with_a_new_version() -> None:
    after = Shape(2, BEFORE.outputs | {"port": Kind("str")})
    [found] = compare({"network": BEFORE}, {"network": after}, {("network", "port"): ["data"]})
    assert (found.readers, found.fault) == (("data",), "")


def test_a_version_never_falls() -> None:
    [found] = compare({"network": Shape(3, BEFORE.outputs)}, {"network": BEFORE}, {})
    assert found.fault == "a version never falls: raise the version in shared/contracts/network.py to 4"


def test_a_layer_goes_once_nobody_reads_it() -> None:
    gone = compare({"network": BEFORE}, {}, {("network", "port"): ["data"]})
    assert {each.output: bool(each.fault) for each in gone} == {"vpc_id": False, "subnets": False, "port": True}


@pytest.fixture
def changed(repository, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Change]]:
    """The changes of the contracts since `main`, when on this branch these texts are replaced in these files."""

    def replaced(*edits: tuple[str, str, str]) -> list[Change]:
        programs = dict(work_tree())
        repository.run("checkout", "--quiet", "main")
        for name, text in programs.items():
            repository.write(name, text)
        repository.commit()
        repository.run("checkout", "--quiet", "-B", "feature")
        for name, old, new in edits:
            assert old in programs[name]
            programs[name] = programs[name].replace(old, new)
        monkeypatch.setattr(compatibility, "work_tree", lambda: programs)
        return against_commit("main")

    return replaced


def test_a_commit_is_compared_with_the_work_tree(changed: Callable[..., list[Change]]) -> None:
    found = changed((DATA, PORT, PORT.replace("int", "str").replace("6379", '"6379"')))
    assert [(each.layer, each.output, each.what) for each in found] == [("data", "redis_port", "was int, is str")]
    assert found[0].readers == ("applications",)
    assert "shared/contracts/data.py to 2" in found[0].fault


def test_without_a_change_nothing_is_found(changed: Callable[..., list[Change]]) -> None:
    assert changed() == []
    assert changes_table([]) == "the contracts promise the same"


def test_a_reader_of_the_commit_counts_although_it_has_stopped_reading(changed: Callable[..., list[Change]]) -> None:
    output = 'rds_vcpus: Annotated[Output[int], Means("vCPUs of the instance.", 2)]'
    found = changed(
        (DATA, output, "version: ClassVar[int] = 2"),
        ("projects/monitoring/alarms/database.py", "data.rds_vcpus", "data.rds_max_connections"),
    )
    [gone] = [each for each in found if each.output == "rds_vcpus"]
    assert gone.fault.startswith("monitoring read it")


def test_a_reader_that_goes_on_reading_what_is_no_more_is_named(changed: Callable[..., list[Change]]) -> None:
    [gone, new] = changed((DATA, "rds_vcpus: Annotated", "rds_cpus: Annotated"))
    assert gone.what == "renamed to rds_cpus"
    assert gone.fault.startswith("monitoring read it")
    assert new.what == "new, int"


def test_a_layer_that_is_deleted_was_still_a_reader_of_what_goes_with_it(
    changed: Callable[..., list[Change]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(LAYERS, "monitoring")
    output = 'rds_vcpus: Annotated[Output[int], Means("vCPUs of the instance.", 2)]'
    [gone] = changed((DATA, output, "version: ClassVar[int] = 2"))
    assert (gone.output, gone.readers) == ("rds_vcpus", ("monitoring",))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("redis_port: Annotated[Output[int]", "redis_port: Annotated[int", "holds a contract that cannot be read"),
        ("class DataContract", "klass DataContract", "is no Python: invalid syntax in line 12"),
    ],
)
def test_a_contract_that_cannot_be_read_names_its_file(
    changed: Callable[..., list[Change]], old: str, new: str, said: str
) -> None:
    with pytest.raises(TxmonError, match=f"{DATA} {said}"):
        changed((DATA, old, new))


Deployed = Callable[..., list[Change]]


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """The changes against an environment where every layer exports its example, but for data's outputs.

    Beside the layers a stack of another repository reads streaming, one has no contract, and another environment has
    outputs of its own.
    """

    def changed(**outputs: Any) -> list[Change]:
        exports = {layer: contract.example() for layer, contract in CONTRACTS.items()}
        exports["data"] |= outputs
        exports |= {
            "billing/live": {"bill": 1},
            "ledger": {"bill": 1},
            "txmon-network/prod": exports["network"] | {"old": "of prod"},
        }
        states = {layer: stack(layer, exports[layer]) for layer in exports}
        monkeypatch.setattr(compatibility, "deployed_states", lambda _, *, everywhere: everywhere and states)
        return compatibility.against_environment(SimpleNamespace(env="dev"))

    return changed


def stack(layer: str, outputs: dict[str, Any]) -> LayerState:
    """The state of a stack with these outputs, which has read streaming if it is monitoring or of billing."""
    resources = [{"type": STACK, "outputs": outputs}]
    if layer in {"monitoring", "billing/live"}:
        resources.append({"type": STACK_REFERENCE, "id": "organization/txmon-streaming/dev"})
    return LayerState(layer, {"resources": resources}, None)


def test_what_is_deployed_as_promised_is_no_change(deployed: Deployed) -> None:
    assert deployed() == []
    assert deployed(rds_log_group_names=["a", "b", "c"]) == []


@pytest.mark.parametrize(
    ("outputs", "output", "what", "reader"),
    [
        ({"rds_vcpus": "2"}, "rds_vcpus", "was str, is int", "monitoring"),
        (
            {"redis_member_ids": ["a"]},
            "redis_member_ids",
            "was list[str] of 1, is list[str] of 2",
            "monitoring",
        ),
        ({"redis_member_ids": 7}, "redis_member_ids", "was int, is list[str] of 2", "monitoring"),
        ({"redis_port": None}, "redis_port", "was NoneType, is int", "applications"),
    ],
)
def test_deployed_outputs_of_another_type_or_length_need_a_new_version(
    deployed: Deployed, outputs: dict[str, Any], output: str, what: str, reader: str
) -> None:
    [found] = deployed(**outputs)
    assert (found.output, found.what, found.readers) == (output, what, (reader,))
    assert found.fault


def test_a_deployed_output_that_the_contract_has_no_more_is_found(deployed: Deployed) -> None:
    [found] = deployed(rds_replica_address="a")
    assert (found.output, found.what) == ("rds_replica_address", "removed")
    assert deployed(rds_replica_address="a", contract_version=0)[0].fault == ""


def test_a_deployed_layer_that_is_no_more_takes_all_its_outputs_from_those_who_have_read_it(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = {name: text for name, text in work_tree().items() if name != "shared/contracts/streaming.py"}
    monkeypatch.setattr(compatibility, "work_tree", lambda: without)
    found = deployed()
    assert {(each.layer, each.what) for each in found} == {("streaming", "removed")}
    assert {each.output for each in found} == CONTRACTS["streaming"].promises().keys()
    assert {each.readers[-2:] for each in found} == {("billing/live", "monitoring")}
    assert all("read it: let them stop first" in each.fault for each in found)


def test_an_environment_that_holds_nothing_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compatibility, "deployed_states", lambda _, **__: {})
    workspace = Workspace(environment("dev"), None, {})
    with pytest.raises(TxmonError, match=r"nothing is deployed in dev: \./inv deploy-all --env dev"):
        compatibility.against_environment(workspace)


def test_a_list_is_shown_with_its_type_and_length() -> None:
    assert re.search(r"private_subnet_ids +list\[str\] of 3 +data", shown(outputs_table()))
    assert "is list[str] of 3" in shown(changes_table([Change("a", "b", "is list[str] of 3")]))


def test_tables_hold_a_row_for_each() -> None:
    assert outputs_table().row_count == sum(len(contract.promises()) for contract in CONTRACTS.values())
    table = changes_table([Change("a", "b", "c"), Change("d", "e", "f", ("g", "i"), "h")])
    assert [list(column.cells) for column in table.columns] == [
        ["d", "a"],
        ["e", "b"],
        ["f", "c"],
        ["g, i", ""],
        ["h", ""],
    ]
