"""What the lock file of the contracts records, and how readers are found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import CONTRACTS, Contract
from shared.environments import PROJECTS
from shared.graph import APPLICATION_OUTPUTS
from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon import layers, outputs_lock


def test_the_committed_lock_file_is_current() -> None:
    committed = (PROJECTS.parent / outputs_lock.PATH).read_text()
    assert committed == outputs_lock.lock_text(), (
        "the contracts or their readers have changed: run ./inv docs and commit"
    )


def test_the_lock_file_records_every_output_of_every_contract() -> None:
    recorded = json.loads(outputs_lock.lock_text())
    assert recorded.keys() == CONTRACTS.keys()
    for layer, contract in CONTRACTS.items():
        assert recorded[layer]["version"] == contract.version
        found = {name: (output["type"], output["length"]) for name, output in recorded[layer]["outputs"].items()}
        assert found == {name: (spec.type_name, spec.length) for name, spec in contract.outputs().items()}
    subnets = {"type": "list[str]", "length": 3, "readers": ["data", "processing"]}
    assert recorded["network"]["outputs"]["private_subnet_ids"] == subnets


def test_the_readers_of_an_output_are_those_of_the_lock_file() -> None:
    assert outputs_lock.locked_readers("network")["private_subnet_ids"] == ("data", "processing")
    assert outputs_lock.locked_readers("a new layer") == {}


def test_applications_read_the_outputs_of_the_graph() -> None:
    found = {
        (output, layer)
        for layer, schema in outputs_lock.schemas().items()
        for output, spec in schema.outputs.items()
        if outputs_lock.APPLICATIONS in spec.readers
    }
    assert found == set(APPLICATION_OUTPUTS.items())


def test_every_layer_that_reads_an_output_is_recorded(run_layer: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare with the programs: every access to a field of a contract that another layer has exported."""
    used: set[tuple[str, str, str]] = set()
    running = ""

    def noted(contract: Contract, name: str) -> Any:
        if name in type(contract).outputs() and contract.layer != running:
            used.add((contract.layer, name, running))
        return object.__getattribute__(contract, name)

    for contract in CONTRACTS.values():
        monkeypatch.setattr(contract, "__getattribute__", noted, raising=False)
    for running in CONTRACTS:
        for env in ("dev", "prod"):
            run_layer(running, env, config={})  # a run of its own
    recorded = {
        (layer, output, reader)
        for layer, schema in outputs_lock.schemas().items()
        for output, spec in schema.outputs.items()
        for reader in spec.readers
    }
    assert used
    assert used <= recorded


READ = "streams = StreamingContract.read(layer)"
URL = "streams.dead_letter_queue_url"


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    """A folder of projects in which the data layer has one file, which reads the streaming layer."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/program.py").write_text(READ)
    return tmp_path


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
        f'{READ}\nprint(f"{{{URL}=}}")',
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
        "debugging f-string",
        "pattern",
        "unpacked",
    ],
)
def test_a_reader_is_found_however_it_holds_the_contract(projects: Path, program: str) -> None:
    (projects / "data/new.py").write_text(program)
    assert outputs_lock.readers("streaming", "dead_letter_queue_url", projects) == ("data",)


def test_a_layer_that_names_no_output_is_no_reader(projects: Path) -> None:
    (projects / "data/new.py").write_text("Queue(dead_letter_queue_url=other)")
    assert outputs_lock.readers("streaming", "dead_letter_queue_url", projects) == ()


def test_a_layer_reads_what_the_graph_says_or_a_file_names(tmp_path: Path) -> None:
    for folder, more in (("undeclared", ""), ("named", READ)):
        (tmp_path / folder / "data/queries").mkdir(parents=True)
        (tmp_path / folder / "data/use.py").write_text("print(read.endpoint_ids, read.dead_letter_queue_url)")
        (tmp_path / folder / "data/queries/other.py").write_text(more)
    assert outputs_lock.readers("network", "endpoint_ids", tmp_path / "undeclared") == ("data",)
    assert outputs_lock.readers("streaming", "dead_letter_queue_url", tmp_path / "undeclared") == ()
    assert outputs_lock.readers("streaming", "dead_letter_queue_url", tmp_path / "named") == ("data",)


def test_an_output_that_the_contract_no_longer_has_keeps_its_readers(tmp_path: Path) -> None:
    (tmp_path / "monitoring").mkdir()
    (tmp_path / "monitoring/alarms.py").write_text("print(data.rds_replica)")
    assert outputs_lock.readers("data", "rds_replica", tmp_path) == ("monitoring",)
    assert outputs_lock.readers("archive", "rds_replica", tmp_path) == ()


def test_a_layer_reads_neither_its_own_contract_nor_the_common_outputs() -> None:
    schemas = outputs_lock.schemas()
    assert not [layer for layer, schema in schemas.items() for o in schema.outputs.values() if layer in o.readers]
    assert schemas["network"].outputs["region"].readers == (outputs_lock.APPLICATIONS,)


def test_a_contract_without_a_spec_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONTRACTS["data"].__annotations__, "redis_port", int)
    with pytest.raises(OrchestratorError, match=r"DataContract\.redis_port has to be Annotated\[Output"):
        outputs_lock.schemas()


def test_a_file_that_is_not_python_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "contract_with_a_typo.py").write_text("\nklass DataContract:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OrchestratorError, match=r"contract_with_a_typo\.py is not Python: invalid syntax in line 2"):
        layers.import_source("contract_with_a_typo")
