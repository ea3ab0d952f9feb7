import errno
import json
import os
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from shared.errors import TxmonError
from tools.orchestrator.engine.operation import Action, Operation, Status

from shared.graph import LAYERS, project
from tools.orchestrator.cli import commands
from tools.orchestrator.run import exclusive, journal, recovery
from tools.orchestrator.run.journal import Journal
from tools.orchestrator.state import locks
from tools.orchestrator.state.folder_store import FilePlace, Folder, Found

NOBODY = 2**22 + 1
"""Above the highest process number that Linux gives."""
DAMAGED = ["", "{", '{"user": "aiko"}', "null"]
"""What a full disk, a power cut or a hand may leave of a lock."""


def lock(**changes: object) -> str:
    """This process's lock, with changes."""
    return locks.Lock.own("up").model_copy(update=changes).model_dump_json()


def allowed(_: str) -> bool:
    return True


def forbidden(_: str) -> bool:
    return False


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setattr(journal, "RUNS", tmp_path / "runs")
    return SimpleNamespace(env="dev", store=Folder(tmp_path))


def test_an_environment_is_held_by_one_run_at_a_time_and_free_afterwards(workspace, refuses_a_second_run) -> None:
    refuses_a_second_run(workspace)
    with locks.environment_lock(workspace, "destroy-all"):
        pass


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (".txmon/locks/local-a.json", "local-a is being changed by "),
        (f"{locks.ENGINES}/txmon-data/local-a.json", "txmon-data/local-a is being changed by "),
    ],
)
def test_the_local_cloud_is_not_stopped_under_what_works_in_it(
    place: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(commands, "LOCAL_HOME", tmp_path)
    assert commands.local_down() == "the local cloud was not running"
    held = Folder(tmp_path / "state").at(place)
    assert held.create(lock())
    with pytest.raises(TxmonError) as refused:
        commands.local_down()
    assert str(refused.value).startswith(said)
    assert str(refused.value).endswith("or if it hangs: ./inv unlock all --env local-a --force")
    found = held.read()
    assert found
    assert held.replace(found, lock(pid=NOBODY))
    assert commands.local_down() == "the local cloud was not running"


@pytest.mark.parametrize("verb", [commands.preview_all, commands.estimate])
def test_a_preview_makes_and_removes_stacks_under_no_other_run(
    workspace, monkeypatch: pytest.MonkeyPatch, verb: Callable[..., object]
) -> None:
    """A deploy would find its empty stack gone, and the preview the stack that it made full."""
    monkeypatch.setattr(commands, "_execute", mock.Mock(side_effect=InterruptedError))
    workspace.stacks = lambda: dict.fromkeys(map(project, LAYERS), 1)
    workspace.missing_stacks, workspace.make_stacks, workspace.remove_made_stacks = list, list, mock.Mock()
    with locks.environment_lock(workspace, "deploy-all"):
        with pytest.raises(InterruptedError):  # nothing has to be made: it may look while others are at work
            verb(workspace, mock.Mock(), parallel=1)
        workspace.stacks = lambda: dict.fromkeys(map(project, LAYERS), 0)
        with pytest.raises(TxmonError, match=r"dev is being changed by .* \(deploy-all\)"):
            verb(workspace, mock.Mock(), parallel=1)
    workspace.remove_made_stacks.assert_called_once_with()


def test_a_run_that_fails_frees_the_environment(workspace) -> None:
    with pytest.raises(ZeroDivisionError), locks.environment_lock(workspace, "up"):
        raise ZeroDivisionError
    with locks.environment_lock(workspace, "up"):
        pass


def test_the_lock_of_a_run_that_is_provably_gone_is_taken_over(workspace) -> None:
    place = locks.place_of(workspace)
    assert place.create(lock(pid=NOBODY))
    with locks.environment_lock(workspace, "up"):
        assert locks.Lock.model_validate_json(place.read().text).pid == os.getpid()


def test_the_lock_of_another_host_is_never_taken_over(workspace) -> None:
    locks.place_of(workspace).create(lock(pid=NOBODY, host="elsewhere"))
    with (
        pytest.raises(TxmonError, match=r"\./inv unlock all --env dev --force"),
        locks.environment_lock(workspace, "up"),
    ):
        pytest.fail("the other run is still at work")
    with pytest.raises(TxmonError, match="it may still be at work"):
        locks.free_environment(workspace, forbidden)
    assert locks.free_environment(workspace, allowed).host == "elsewhere"


def test_a_lock_that_is_taken_while_another_is_freed_is_respected(workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    place = locks.place_of(workspace)
    place.create(lock(host="elsewhere"))
    found = [None, place.read()]
    monkeypatch.setattr(FilePlace, "read", lambda _: found.pop(0))
    with pytest.raises(TxmonError, match="@elsewhere"), locks.environment_lock(workspace, "up"):
        pytest.fail("the other run has begun")


def test_a_run_whose_lock_was_freed_by_force_leaves_the_next_ones_alone(workspace) -> None:
    with locks.environment_lock(workspace, "up"):
        assert locks.free_environment(workspace, allowed)
        assert locks.place_of(workspace).create("the next one's")
    assert locks.place_of(workspace).read().text == "the next one's"


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
    assert place.read().text == "whose"


def test_a_full_disk_leaves_nothing_of_a_lock(workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(path: Path, _: str) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill)
    with pytest.raises(OSError, match="No space left"), locks.environment_lock(workspace, "up"):
        pytest.fail("it is not held")
    assert [path.name for path in locks.place_of(workspace).path.parent.iterdir()] == []


def test_of_two_runs_that_take_over_the_same_lock_at_once_one_gets_it(
    workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_together(place: FilePlace) -> Found | None:
        found = read(place)
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=0.2)  # a run that is alone at it waits in vain
        return found

    place, read, both = locks.place_of(workspace), FilePlace.read, threading.Barrier(2)
    place.create(lock(pid=NOBODY))
    abandoned = place.read()
    monkeypatch.setattr(FilePlace, "read", read_together)
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda run: place.replace(abandoned, run), ["one", "other"])) == 1


def test_a_run_that_finds_an_abandoned_lock_taken_over_leaves_the_next_owner_alone(
    workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = locks.place_of(workspace)
    place.create(lock(host="elsewhere"))
    abandoned = Found(lock(pid=NOBODY))
    found = [abandoned, place.read(), place.read(), place.read()]
    monkeypatch.setattr(FilePlace, "read", lambda _: found.pop(0))
    with pytest.raises(TxmonError, match="@elsewhere"), locks.environment_lock(workspace, "up"):
        pytest.fail("the other run has taken it over")
    assert not place.delete(abandoned)


def test_a_lock_that_changes_hands_while_it_is_freed_is_not_freed_for_its_last_owner(workspace) -> None:
    place = locks.place_of(workspace)
    place.create(lock(user="aiko", host="elsewhere"))

    def taken_over_meanwhile(held: str) -> bool:
        told.append(held)
        return "aiko" not in held or place.replace(place.read(), lock(user="yuki", host="elsewhere"))

    told: list[str] = []
    assert locks.free_environment(workspace, taken_over_meanwhile).user == "yuki"
    assert ["aiko" in told[0], "yuki" in told[1], len(told)] == [True, True, 2]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_lock_of_the_environment_is_an_unknown_owners_and_is_freed_by_force(workspace, text: str) -> None:
    place = locks.place_of(workspace)
    place.create(text)
    with (
        pytest.raises(TxmonError, match=rf"dev is being changed by an unknown owner \({place} cannot be read\)"),
        locks.environment_lock(workspace, "up"),
    ):
        pytest.fail("somebody may be at work")
    with pytest.raises(TxmonError, match=r"\./inv unlock all --env dev --force$"):
        locks.free_environment(workspace, forbidden)
    assert "unknown owner" in str(locks.free_environment(workspace, allowed))
    assert place.read() is None


def engines_lock(workspace, layer: str, text: str | None = None, **changes: object) -> None:
    held = {"pid": NOBODY, "username": "aiko", "hostname": socket.gethostname(), "timestamp": datetime.now(UTC)}
    said = json.dumps(held | changes, default=str) if text is None else text
    assert workspace.store.at(f"{locks.ENGINES}/{project(layer)}/{workspace.env}/1b2c.json").create(said)


def test_all_locks_of_the_engine_are_named_at_once(workspace) -> None:
    locks.require_unlocked(workspace)
    engines_lock(workspace, "network")
    with pytest.raises(
        TxmonError, match=rf"^network is locked by aiko@\S+ process {NOBODY}, which is gone, .*k netw"
    ):
        locks.require_unlocked(workspace)
    engines_lock(workspace, "data", hostname="elsewhere")
    with pytest.raises(TxmonError) as told:
        locks.require_unlocked(workspace)
    assert "; network is locked by aiko" in str(told.value)
    assert "data is locked by aiko@elsewhere" in str(told.value)
    assert str(told.value).endswith("wait for them to end, or if they hang: ./inv unlock all --env dev")


def test_destroy_all_names_a_lock_that_was_left_though_nothing_is_deployed(
    workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "deployed_states", lambda *_, **__: {})
    monkeypatch.setattr(commands.program_host, "warm", lambda **_: None)
    assert commands.destroy_all(workspace, mock.Mock(), yes=True, parallel=1) == 0
    engines_lock(workspace, "network")
    with pytest.raises(TxmonError, match="network is locked by aiko"):
        commands.destroy_all(workspace, mock.Mock(), yes=True, parallel=1)


def test_locks_of_other_environments_and_products_are_not_ours(workspace) -> None:
    for stack in ("txmon-network/prod", "fraud/dev"):
        assert workspace.store.at(f"{locks.ENGINES}/{stack}/1b2c.json").create(lock())
    locks.require_unlocked(workspace)


@pytest.mark.parametrize(
    ("held", "freed"),
    [
        (None, False),
        ({"pid": NOBODY}, True),
        ({"pid": NOBODY + 1}, False),
        ({"pid": os.getpid()}, False),
        ({"pid": NOBODY, "host": "elsewhere"}, False),
    ],
    ids=["none", "its own", "another's", "one at work", "another host's"],
)
def test_an_engine_that_was_cut_short_frees_its_own_lock_only(
    workspace, held: dict[str, object] | None, freed: bool
) -> None:
    called: list[tuple[str, ...]] = []
    workspace.call = lambda *words: called.append(words)
    if held:
        workspace.store.at(f"{locks.ENGINES}/txmon-network/dev/1.json").create(lock(**held))
    locks.free_own(workspace, "network", os.getpid() if held == {"pid": os.getpid()} else NOBODY)
    assert called == [("network", "cancel", "--yes")] * freed


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_lock_of_the_engine_is_an_unknown_owners(workspace, text: str) -> None:
    engines_lock(workspace, "network", text)
    with pytest.raises(TxmonError, match="network is locked by an unknown owner"):
        locks.require_unlocked(workspace)
    with pytest.raises(TxmonError, match=r"may still be at work; wait, or free it with .* --force"):
        locks.free_stack(workspace, "network", forbidden)


def test_a_lock_says_whose_it_is_since_when_and_whether_the_owner_is_gone() -> None:
    since = datetime.now(UTC) - timedelta(hours=3, minutes=20)
    held = locks.Lock.own("").model_copy(update={"user": "aiko", "pid": NOBODY, "since": since})
    assert str(held) == f"aiko@{socket.gethostname()} process {NOBODY}, which is gone, since 3 h 20 min"


@pytest.mark.parametrize(
    ("age", "words"),
    [
        ({"milliseconds": 300}, "0 s"),
        ({"seconds": 59}, "59 s"),
        ({"seconds": 125}, "2 min 5 s"),
        ({"hours": 3}, "3 h"),
        ({"days": 2, "hours": 1, "minutes": 59}, "2 d 1 h"),
    ],
)
def test_an_age_is_told_in_the_units_of_its_size(age: dict[str, int], words: str) -> None:
    assert locks.in_words(timedelta(**age)) == words


def test_a_process_that_began_after_the_lock_is_not_its_owner() -> None:
    """The number of a process is given again, after a restart of the host above all."""
    mine = locks.Lock.own("up")
    assert not mine.abandoned
    assert mine.model_copy(update={"since": mine.since - timedelta(days=1)}).abandoned
    assert not mine.model_copy(update={"since": mine.since - timedelta(days=1), "host": "elsewhere"}).abandoned


@pytest.mark.parametrize(
    ("terminal", "said", "freed"), [(True, "yes", True), (True, "no", False), (False, "yes", False)]
)
def test_unlock_asks_at_a_terminal_where_the_owner_may_still_be_at_work(
    workspace, monkeypatch: pytest.MonkeyPatch, *, terminal: bool, said: str, freed: bool
) -> None:
    locks.place_of(workspace).create(lock(host="elsewhere"))
    workspace.missing_stacks = lambda: list(LAYERS)
    workspace.stacks = dict
    monkeypatch.setattr(sys.stdin, "isatty", lambda: terminal)
    monkeypatch.setattr(commands.Console, "input", lambda _, question, **__: asked.append(question) or said)
    asked: list[str] = []
    refused = nullcontext() if freed else pytest.raises(TxmonError, match=r"\./inv unlock all --env dev --force$")
    with refused:
        recovery.unlock_all(workspace, print, force=False)
    assert (locks.place_of(workspace).read() is None) is freed
    assert len(asked) == terminal


def test_unlock_settles_nothing_while_another_run_is_at_work(workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "require_files", lambda *_: None)
    monkeypatch.setattr(recovery, "find_deployed", lambda *_: "network")
    monkeypatch.setattr(locks, "free_stack", lambda *_: None)
    settled = mock.Mock()
    monkeypatch.setattr(recovery, "_settle", settled)
    state = SimpleNamespace(pending=["creating vpc-dev"])
    monkeypatch.setattr(recovery, "read_states", lambda *_: {"network": state})
    with (
        locks.environment_lock(workspace, "deploy-all"),
        pytest.raises(TxmonError, match=r"^dev is being changed by .* \(deploy-all\)"),
    ):
        recovery.unlock(workspace, "network", print, force=True)
    assert not settled.called
    recovery.unlock(workspace, "network", print, force=False)
    assert settled.called


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no username")])
def test_a_user_without_a_name_is_known_by_number(
    workspace, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", mock.Mock(side_effect=error))
    assert locks.Lock.own("deploy-all").user == str(os.getuid())
    assert Journal(workspace, "deploy-all", ["network"]).record.user == str(os.getuid())


def test_a_run_is_written_down_from_its_first_moment(workspace) -> None:
    made = Journal(workspace, "deploy-all", ["network", "data"])
    record = journal.last_run("dev", print)
    assert (record.verb, record.result, record.wanted) == ("deploy-all", "running", ["network", "data"])
    operation = Operation("network", Action.UP, status=Status.FAILED, reason="no room", began=1.0, ended=3.5)
    operation.outputs, operation.counts = {"contract_version": 2.0}, Counter(create=2, same=30)
    made.note(operation)
    noted = journal.last_run("dev", print).layers["network"]
    assert noted == journal.LayerRecord(
        action="up",
        status=Status.FAILED,
        reason="no room",
        began=noted.began,
        seconds=2.5,
        changes={"create": 2},
        contract_version=2,
    )
    operation.status = Status.SUCCEEDED
    made.note(operation)
    assert journal.last_run("dev", print).layers["network"].resources == 32
    made.end("interrupted")
    made.close()
    assert journal.last_run("dev", print).result == "interrupted"


def test_a_run_that_raises_is_written_down_as_failed(workspace) -> None:
    made = Journal(workspace, "up", ["network"])
    made.close()
    assert journal.last_run("dev", print).result == "failed"


def test_runs_of_other_environments_are_not_mixed_up(workspace) -> None:
    Journal(SimpleNamespace(env="pr-dev"), "up", []).close()
    assert journal.last_run("dev", print) is None


def test_a_run_whose_process_is_gone_was_killed(workspace) -> None:
    record = journal.RunRecord(verb="up", env="dev", pid=NOBODY)
    assert record.was_killed
    assert record.outcome == "was killed"
    assert not record.model_copy(update={"result": "failed"}).was_killed
    assert not journal.RunRecord(verb="up", env="dev").was_killed
    began = datetime.now(UTC) - timedelta(days=1)
    assert journal.RunRecord(verb="up", env="dev", began=began).was_killed  # its number is another process's now


def test_a_session_always_looks_for_operations_that_whoever_left_in_the_middle(
    workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(exclusive, "require_unlocked", lambda _: None)
    monkeypatch.setattr(exclusive, "require_settled", lambda _: looked.append("looked"))
    for times in (1, 2):
        with exclusive.changing(workspace, "up", ["network"], print) as made:
            made.end("succeeded")
        assert len(looked) == times


def test_a_killed_run_is_told_of_at_the_next_one(workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "require_unlocked", lambda _: None)
    monkeypatch.setattr(exclusive, "require_settled", lambda _: None)
    killed = Journal(workspace, "destroy-all", ["network"])
    killed.record.pid = NOBODY
    killed._write()  # noqa: SLF001 (a process that is gone cannot write it)
    said: list[str] = []
    with exclusive.changing(workspace, "up", ["network"], said.append):
        pass
    assert len(said) == 1
    assert f"the last run (destroy-all at {killed.record.began:%Y-%m-%d}" in said[0]
    assert "was killed" in said[0]
