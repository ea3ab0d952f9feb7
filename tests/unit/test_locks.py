import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.deploy import journal, locks, session
from shared.deploy.journal import Journal
from shared.deploy.operation import Action, Operation, Status
from shared.errors import TxmonError

NOBODY = 2**22 + 1
"""Above the highest process number that Linux gives."""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setattr(journal, "RUNS", tmp_path / "runs")
    return SimpleNamespace(env="dev", backend=f"file://{tmp_path}")


def test_an_environment_is_held_by_one_run_at_a_time_and_free_afterwards(workspace, refuses_a_second_run) -> None:
    refuses_a_second_run(workspace)
    with locks.environment_lock(workspace, "destroy-all"):
        pass


def test_a_run_that_fails_frees_the_environment(workspace) -> None:
    with pytest.raises(ZeroDivisionError), locks.environment_lock(workspace, "up"):
        raise ZeroDivisionError
    with locks.environment_lock(workspace, "up"):
        pass


def test_the_lock_of_a_run_that_is_provably_gone_is_taken_over(workspace) -> None:
    place = locks.place_of(workspace)
    assert place.create(locks.Lock(pid=NOBODY).model_dump_json())
    with locks.environment_lock(workspace, "up"):
        assert locks.Lock.model_validate_json(place.read()).pid == os.getpid()


def test_the_lock_of_another_host_is_never_taken_over(workspace) -> None:
    locks.place_of(workspace).create(locks.Lock(pid=NOBODY, host="elsewhere").model_dump_json())
    with (
        pytest.raises(TxmonError, match=r"\./inv unlock all --env dev --force"),
        locks.environment_lock(workspace, "up"),
    ):
        pytest.fail("the other run is still at work")
    with pytest.raises(TxmonError, match="it may still be at work"):
        locks.free_environment(workspace, force=False)
    assert locks.free_environment(workspace, force=True).host == "elsewhere"


def test_a_lock_that_is_taken_while_another_is_freed_is_respected(workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    place = locks.place_of(workspace)
    place.create(locks.Lock(host="elsewhere").model_dump_json())
    found = [None, place.read()]
    monkeypatch.setattr(locks.FilePlace, "read", lambda _: found.pop(0))
    with pytest.raises(TxmonError, match="@elsewhere"), locks.environment_lock(workspace, "up"):
        pytest.fail("the other run has begun")


def test_a_run_whose_lock_was_freed_by_force_leaves_the_next_ones_alone(workspace) -> None:
    with locks.environment_lock(workspace, "up"):
        assert locks.free_environment(workspace, force=True)
        assert locks.place_of(workspace).create("the next one's")
    assert locks.place_of(workspace).read() == "the next one's"


def test_a_lock_is_not_there_before_it_says_whose_it_is(workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def watched(path: Path, text: str) -> int:
        found.append(place.read())
        written = write_text(path, text)
        found.append(place.read())
        return written

    place, found, write_text = locks.place_of(workspace), [], Path.write_text
    monkeypatch.setattr(Path, "write_text", watched)
    assert place.create("whose")
    assert found == [None, None]
    assert place.read() == "whose"


def test_a_lock_says_whose_it_is_since_when_and_whether_the_owner_is_gone() -> None:
    held = locks.Lock(
        user="aiko", host=socket.gethostname(), pid=NOBODY, since=datetime.now(UTC) - timedelta(minutes=2)
    )
    assert str(held).startswith(f"aiko@{socket.gethostname()} process {NOBODY}, which is gone, since 12")


def test_a_run_is_written_down_from_its_first_moment(workspace) -> None:
    made = Journal(workspace, "deploy-all", ["network", "data"])
    record = journal.last_run("dev")
    assert (record.verb, record.result, record.wanted) == ("deploy-all", "running", ["network", "data"])
    operation = Operation("network", Action.UP, status=Status.FAILED, reason="no room")
    made.note(operation)
    assert journal.last_run("dev").layers["network"].reason == "no room"
    made.end("interrupted")
    made.close()
    assert journal.last_run("dev").result == "interrupted"


def test_a_run_that_raises_is_written_down_as_failed(workspace) -> None:
    made = Journal(workspace, "up", ["network"])
    made.close()
    assert journal.last_run("dev").result == "failed"


def test_runs_of_other_environments_are_not_mixed_up(workspace) -> None:
    Journal(SimpleNamespace(env="pr-dev"), "up", []).close()
    assert journal.last_run("dev") is None


def test_a_run_whose_process_is_gone_was_killed(workspace) -> None:
    record = journal.RunRecord(verb="up", env="dev", pid=NOBODY)
    assert record.was_killed
    assert record.outcome == "killed"
    assert not journal.RunRecord(verb="up", env="dev").was_killed


def test_a_session_always_looks_for_operations_that_whoever_left_in_the_middle(
    workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(session, "require_unlocked", lambda _: None)
    monkeypatch.setattr(session, "require_settled", lambda _: looked.append("looked"))
    for times in (1, 2):
        with session.changing(workspace, "up", ["network"], print) as made:
            made.end("succeeded")
        assert len(looked) == times


def test_a_killed_run_is_told_of_at_the_next_one(workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "require_unlocked", lambda _: None)
    monkeypatch.setattr(session, "require_settled", lambda _: None)
    killed = Journal(workspace, "destroy-all", ["network"])
    killed.record.pid = NOBODY
    killed._write()  # noqa: SLF001 (a process that is gone cannot write it)
    said: list[str] = []
    with session.changing(workspace, "up", ["network"], said.append):
        pass
    assert len(said) == 1
    assert f"the last run (destroy-all at {killed.record.began:%Y-%m-%d}" in said[0]
    assert "was killed" in said[0]
