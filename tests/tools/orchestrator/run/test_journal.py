"""What is left to do of the runs that are written down."""

import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from shared.errors import TxmonError
from tools.orchestrator.engine.operation import Status

from shared.graph import LAYERS
from tools.orchestrator.run import journal
from tools.orchestrator.run.journal import LayerRecord, RunRecord, unfinished


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes down a run: its verb, the layers it wanted, and how those ended that it began with."""
    monkeypatch.setattr(journal, "RUNS", tmp_path)

    def run(verb: str, *wanted: str, **ended: str) -> None:
        layers = {layer: LayerRecord(action="up", status=Status(status)) for layer, status in ended.items()}
        well = set(ended.values()) == {"succeeded"} and ended.keys() == set(wanted)
        record = RunRecord(
            verb=verb, env="dev", wanted=wanted, layers=layers, result="succeeded" if well else "failed"
        )
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}-{verb}-dev"
        folder.mkdir()
        (folder / "run.json").write_text(record.model_dump_json())

    return run


def left() -> tuple[str, list[str]] | None:
    found = unfinished("dev", print)
    return found and (found[0].verb, found[1])


def test_nothing_is_left_where_nothing_ran_and_where_all_ended_well(ran) -> None:
    assert left() is None
    ran("deploy-all", "network", "data", network="succeeded", data="succeeded")
    assert left() is None


@pytest.mark.parametrize("status", ["failed", "interrupted", "skipped", "running"])
def test_what_did_not_end_well_is_left_whatever_its_stack_says(ran, status: str) -> None:
    ran("deploy-all", "streaming", "data", "monitoring", streaming="succeeded", data=status)
    assert left() == ("deploy-all", ["data", "monitoring"])


def test_what_a_later_run_has_settled_is_not_left(ran) -> None:
    ran("deploy-all", "network", "data", "monitoring", network="interrupted")
    ran("up", "network", network="succeeded")
    assert left() == ("deploy-all", ["data", "monitoring"])
    ran("deploy-all", "data", "monitoring", data="succeeded", monitoring="succeeded")
    assert left() is None


@pytest.mark.parametrize("text", ["", '{"verb": "up"', '{"verb": "up"}', "\x00\x00"])
def test_a_damaged_record_is_said_so_and_does_not_count(ran, tmp_path: Path, text: str) -> None:
    ran("deploy-all", "network", network="failed")
    damaged = tmp_path / "9-up-dev/run.json"
    damaged.parent.mkdir()
    damaged.write_text(text)
    said: list[str] = []
    assert journal.last_run("dev", said.append).verb == "deploy-all"
    assert unfinished("dev", said.append)[1] == ["network"]
    sentence = f"{damaged} cannot be read: delete it; ./inv status --env dev tells what is deployed"
    assert said == [sentence] * 2


def test_the_newest_run_goes_first(ran) -> None:
    ran("deploy-all", "network", "data", network="succeeded")
    ran("up", "network", network="failed")
    assert left() == ("up", ["network"])


def test_a_destroy_settles_what_reads_the_destroyed_too(ran) -> None:
    ran("deploy-all", *LAYERS, network="succeeded", security="failed")
    ran("destroy-all", "network", "security", network="succeeded", security="succeeded")
    assert left() is None


def test_a_destroy_of_one_layer_leaves_the_others(ran) -> None:
    ran("deploy-all", "data", "monitoring", data="failed")
    ran("destroy", "monitoring", monitoring="succeeded")
    assert left() == ("deploy-all", ["data"])


def test_a_run_that_cannot_be_written_down_says_where_and_what_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal, "RUNS", tmp_path)
    written = journal.Journal(SimpleNamespace(env="dev"), "up", ["network"])
    monkeypatch.setattr(Path, "write_text", fill)
    with pytest.raises(TxmonError, match=rf"{tmp_path}/\S+ \(No space left .*\./inv resume --env dev"):
        written.close()
    assert left() == ("up", ["network"])


def test_of_older_runs_only_the_events_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "RUNS", tmp_path)
    monkeypatch.setattr(journal, "KEPT", 2)
    for _ in range(4):
        made = journal.Journal(SimpleNamespace(env="dev"), "up", ["network"])
        (made.folder / "network-up.jsonl").touch()
        made.close()
    with_events = [bool(list(folder.glob("*.jsonl"))) for folder in sorted(tmp_path.iterdir())]
    assert with_events == [False, False, True, True]
    assert len(list(tmp_path.glob("*/run.json"))) == 4
