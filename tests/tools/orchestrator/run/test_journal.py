"""The journal: what recorded runs have left to do."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import OperationStatus
from tools.orchestrator.run import journal
from tools.orchestrator.run.journal import (
    EVENTS_KEPT,
    RUNS_KEPT,
    Journal,
    LayerRecord,
    RunRecord,
    last_run,
    runs_folder,
)

GRAPH = {
    "network": (),
    "security": (),
    "streaming": ["security"],
    "data": ["network", "security"],
    "monitoring": ["network", "streaming", "data"],
}


@pytest.fixture
def monorepo(tmp_path: Path) -> Monorepo:
    made = make_monorepo(tmp_path, GRAPH)
    runs_folder(made).mkdir(parents=True)
    return made


@pytest.fixture
def ran(monorepo: Monorepo) -> Callable[..., None]:
    """Return a function that records a run: its verb, the layers it wanted, and the status of those it began."""
    runs = runs_folder(monorepo)

    def run(verb: str, *wanted: str, **ended: str) -> None:
        layers = {layer: LayerRecord(action="up", status=OperationStatus(status)) for layer, status in ended.items()}
        well = set(ended.values()) == {"succeeded"} and ended.keys() == set(wanted)
        record = RunRecord(
            verb=verb, env="dev", wanted=wanted, layers=layers, result="succeeded" if well else "failed"
        )
        folder = runs / f"{len(list(runs.iterdir()))}-{verb}-dev"
        folder.mkdir()
        (folder / "run.json").write_text(record.model_dump_json())

    return run


@pytest.fixture
def unfinished(monorepo: Monorepo) -> Callable[[], tuple[str, list[str]] | None]:
    """Return a function to the verb of the newest unfinished run in `dev`, and the layers that are left."""

    def find() -> tuple[str, list[str]] | None:
        found = journal.unfinished(monorepo, "dev")
        return found and (found[0].verb, found[1])

    return find


def test_nothing_is_left_without_runs_or_if_every_layer_succeeded(ran, unfinished) -> None:
    assert unfinished() is None
    ran("deploy-all", "network", "data", network="succeeded", data="succeeded")
    assert unfinished() is None


@pytest.mark.parametrize("status", ["failed", "interrupted", "skipped", "running"])
def test_layers_that_did_not_succeed_are_left(ran, unfinished, status: str) -> None:
    ran("deploy-all", "streaming", "data", "monitoring", streaming="succeeded", data=status)
    assert unfinished() == ("deploy-all", ["data", "monitoring"])


def test_layers_that_a_later_run_finished_are_not_left(ran, unfinished) -> None:
    ran("deploy-all", "network", "data", "monitoring", network="interrupted")
    ran("up", "network", network="succeeded")
    assert unfinished() == ("deploy-all", ["data", "monitoring"])
    ran("deploy-all", "data", "monitoring", data="succeeded", monitoring="succeeded")
    assert unfinished() is None


@pytest.mark.parametrize("text", ["", '{"verb": "up"', '{"verb": "up"}', "\x00\x00"])
def test_a_damaged_record_is_logged_and_does_not_count(
    ran, unfinished, monorepo: Monorepo, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    ran("deploy-all", "network", network="failed")
    damaged = runs_folder(monorepo) / "9-up-dev/run.json"
    damaged.parent.mkdir()
    damaged.write_text(text)
    last = last_run(monorepo, "dev")
    assert last is not None
    assert last.verb == "deploy-all"
    assert unfinished() == ("deploy-all", ["network"])
    assert len(caplog.messages) == 2
    for message in caplog.messages:
        assert message.startswith(f"{damaged} is not the record of a run (")
        assert message.endswith("); delete it; ./inv status --env dev shows what is deployed")


def test_the_newest_unfinished_run_counts(ran, unfinished) -> None:
    ran("deploy-all", "network", "data", network="succeeded")
    ran("up", "network", network="failed")
    assert unfinished() == ("up", ["network"])


def test_a_destroy_also_finishes_the_readers_of_its_layers(ran, unfinished) -> None:
    ran("deploy-all", *GRAPH, network="succeeded", security="failed")
    ran("destroy-all", "network", "security", network="succeeded", security="succeeded")
    assert unfinished() is None


def test_a_destroy_of_one_layer_leaves_the_others(ran, unfinished) -> None:
    ran("deploy-all", "data", "monitoring", data="failed")
    ran("destroy", "monitoring", monitoring="succeeded")
    assert unfinished() == ("deploy-all", ["data"])


def test_a_record_that_cannot_be_written_names_its_folder_and_resume(
    monorepo: Monorepo, unfinished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    written = Journal(make_workspace(monorepo), "up", ["network"])
    monkeypatch.setattr(Path, "write_text", fill)
    with pytest.raises(
        OrchestratorError, match=rf"{runs_folder(monorepo)}/\S+ \(No space left .*\./inv resume --env dev"
    ):
        written.close()
    assert unfinished() == ("up", ["network"])


def test_older_runs_lose_their_events_and_keep_their_record(monorepo: Monorepo) -> None:
    for _ in range(EVENTS_KEPT + 2):
        made = Journal(make_workspace(monorepo), "up", ["network"])
        (made.folder / "network-up.jsonl").touch()
        made.close()
    with_events = [bool(list(folder.glob("*.jsonl"))) for folder in sorted(runs_folder(monorepo).iterdir())]
    assert with_events == [False] * 2 + [True] * EVENTS_KEPT
    assert len(list(runs_folder(monorepo).glob("*/run.json"))) == EVENTS_KEPT + 2


def test_of_the_oldest_runs_nothing_is_kept(monorepo: Monorepo) -> None:
    for number in range(RUNS_KEPT + 2):
        (runs_folder(monorepo) / f"2025{number:04}-up-dev").mkdir()
    made = Journal(make_workspace(monorepo), "up", ["network"])
    kept = sorted(folder.name for folder in runs_folder(monorepo).iterdir())
    assert (kept[0], kept[-1], len(kept)) == ("20250003-up-dev", made.folder.name, RUNS_KEPT)
