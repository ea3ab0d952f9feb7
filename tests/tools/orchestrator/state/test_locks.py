"""Who holds an environment or a stack, and who may take it over."""

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from tests.support.engine import calls, make_engine
from tests.support.locks import NOBODY, lock_text
from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state import locks
from tools.orchestrator.state.folder_store import FolderStore
from tools.orchestrator.state.locks import EnvironmentLock, Lock
from tools.orchestrator.state.object_store import ObjectStore, StoredObject

DAMAGED = ["", "{", '{"user": "aiko"}', "null"]
"""What a full disk, a power cut or a hand may leave of a lock."""


def allow(_: str) -> bool:
    return True


def forbid(_: str) -> bool:
    return False


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(make_monorepo(tmp_path), engine=make_engine(tmp_path))


@pytest.fixture
def held(workspace: Workspace) -> EnvironmentLock:
    """Return the lock of the environment `dev`."""
    return EnvironmentLock(workspace)


def put(lock: EnvironmentLock, text: str) -> bool:
    """Write a lock's text as another run would."""
    return lock.store.put_if_absent(lock.key, text)


def text(lock: EnvironmentLock) -> str | None:
    found = lock.store.get(lock.key)
    return found.text if found else None


@dataclass(frozen=True)
class InterleavedLock(EnvironmentLock):
    """A lock whose store answers each read with the next of `answers`, as if other runs worked in between."""

    answers: list[StoredObject | None]

    @property
    def store(self) -> ObjectStore:
        answers = self.answers

        class Store(FolderStore):
            def get(self, _: str) -> StoredObject | None:
                return answers.pop(0)

        real = super().store
        assert isinstance(real, FolderStore)
        return Store(real.path)


def test_one_run_at_a_time_holds_an_environment(
    workspace: Workspace, refuses_a_second_run: Callable[[Workspace], None]
) -> None:
    refuses_a_second_run(workspace)
    with EnvironmentLock(workspace).hold("destroy-all"):
        pass


def test_a_run_that_fails_frees_the_environment(held: EnvironmentLock) -> None:
    with pytest.raises(ZeroDivisionError), held.hold("up"):
        raise ZeroDivisionError
    with held.hold("up"):
        pass


def test_the_lock_of_a_run_that_is_gone_is_taken_over(held: EnvironmentLock) -> None:
    assert put(held, lock_text(pid=NOBODY))
    with held.hold("up"):
        assert held.holder().pid == os.getpid()


def test_the_lock_of_another_host_is_freed_by_force_only(held: EnvironmentLock) -> None:
    put(held, lock_text(pid=NOBODY, host="elsewhere"))
    with pytest.raises(OrchestratorError, match=r"\./inv unlock all --env dev --force"), held.hold("up"):
        pytest.fail("the other run is still running")
    with pytest.raises(OrchestratorError, match="it may still be running"):
        held.free(forbid)
    assert held.free(allow).host == "elsewhere"
    assert held.free(forbid) is None


def test_a_lock_taken_while_another_one_is_freed_is_respected(workspace: Workspace, held: EnvironmentLock) -> None:
    put(held, lock_text(host="elsewhere"))
    interleaved = InterleavedLock(workspace, [None, held.store.get(held.key)])
    with pytest.raises(OrchestratorError, match="@elsewhere"), interleaved.hold("up"):
        pytest.fail("the other run has begun")


def test_a_run_whose_lock_was_freed_by_force_leaves_the_next_one_alone(held: EnvironmentLock) -> None:
    with held.hold("up"):
        assert held.free(allow)
        assert put(held, "the next one's")
    assert text(held) == "the next one's"


def test_a_full_disk_leaves_no_lock(held: EnvironmentLock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_text", mock.Mock(side_effect=OSError("No space left on device")))
    with pytest.raises(OSError, match="No space left"), held.hold("up"):
        pytest.fail("it is not held")
    assert text(held) is None


def test_an_abandoned_lock_that_another_run_took_over_is_left_alone(
    workspace: Workspace, held: EnvironmentLock
) -> None:
    put(held, lock_text(host="elsewhere"))
    abandoned = StoredObject(lock_text(pid=NOBODY), lock_text(pid=NOBODY))
    # Read by this run; then by the store before it replaces; then by this run again.
    interleaved = InterleavedLock(workspace, [abandoned, held.store.get(held.key), held.store.get(held.key)])
    with pytest.raises(OrchestratorError, match="@elsewhere"), interleaved.hold("up"):
        pytest.fail("the other run has taken it over")
    assert not held.store.delete_if_match(held.key, abandoned.version)


def test_a_lock_that_changes_hands_is_not_freed_for_its_last_owner(held: EnvironmentLock) -> None:
    put(held, lock_text(user="aiko", host="elsewhere"))

    def taken_over_meanwhile(situation: str) -> bool:
        situations.append(situation)
        next_lock = lock_text(user="yuki", host="elsewhere")
        return "aiko" not in situation or held.store.put_if_match(held.key, next_lock, text(held))

    situations: list[str] = []
    assert held.free(taken_over_meanwhile).user == "yuki"
    assert ["aiko" in situations[0], "yuki" in situations[1], len(situations)] == [True, True, 2]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_environment_lock_is_freed_by_force_only(held: EnvironmentLock, damaged: str) -> None:
    put(held, damaged)
    owner = rf"an unknown owner \({held.store.url(held.key)} cannot be read\)"
    with pytest.raises(OrchestratorError, match=rf"dev is being changed by {owner}"), held.hold("up"):
        pytest.fail("somebody may be running")
    with pytest.raises(OrchestratorError, match=r"\./inv unlock all --env dev --force$"):
        held.free(forbid)
    assert "unknown owner" in str(held.free(allow))
    assert text(held) is None


def test_a_backend_without_a_store_is_guarded_in_this_clone_only(tmp_path: Path) -> None:
    workspace = make_workspace(make_monorepo(tmp_path), PULUMI_BACKEND_URL="https://api.pulumi.com")
    with EnvironmentLock(workspace).hold("up"):
        assert (tmp_path / ".shop/locks/dev.json").exists()
    assert locks.stack_locks(workspace) == {}


def lock_stack(workspace: Workspace, layer: str, damaged: str | None = None, **changes: object) -> None:
    """Lock a layer's stack as the engine does."""
    facts = {"pid": NOBODY, "username": "aiko", "hostname": socket.gethostname(), "timestamp": datetime.now(UTC)}
    found = json.dumps(facts | changes, default=str) if damaged is None else damaged
    key = f"{locks.STACK_LOCKS}/shop-{layer}/{workspace.env}/1b2c.json"
    assert EnvironmentLock(workspace).store.put_if_absent(key, found)


def test_all_locked_stacks_are_named_at_once(workspace: Workspace) -> None:
    locks.require_unlocked(workspace)
    lock_stack(workspace, "base")
    message = rf"^base is locked by aiko@\S+ process {NOBODY}, which is gone, .*k base"
    with pytest.raises(OrchestratorError, match=message):
        locks.require_unlocked(workspace)
    lock_stack(workspace, "store", hostname="elsewhere")
    with pytest.raises(OrchestratorError) as refused:
        locks.require_unlocked(workspace)
    assert "base is locked by aiko" in str(refused.value)
    assert "; store is locked by aiko@elsewhere" in str(refused.value)
    assert str(refused.value).endswith("wait for them to end, or if they hang: ./inv unlock all --env dev")


def test_locks_of_other_environments_and_products_do_not_count(workspace: Workspace) -> None:
    for stack in ("shop-base/prod", "fraud/dev"):
        key = f"{locks.STACK_LOCKS}/{stack}/1b2c.json"
        assert EnvironmentLock(workspace).store.put_if_absent(key, lock_text())
    locks.require_unlocked(workspace)


@pytest.mark.parametrize(
    ("owner", "freed"),
    [
        (None, False),
        ({"pid": NOBODY}, True),
        ({"pid": NOBODY + 1}, False),
        ({"pid": os.getpid()}, False),
        ({"pid": NOBODY, "hostname": "elsewhere"}, False),
    ],
    ids=["none", "its own", "another's", "one that runs", "another host's"],
)
def test_an_interrupted_engine_frees_its_own_lock_only(
    workspace: Workspace, owner: dict[str, object] | None, *, freed: bool
) -> None:
    if owner:
        lock_stack(workspace, "base", **owner)
    locks.free_own(workspace, "base", os.getpid() if owner == {"pid": os.getpid()} else NOBODY)
    canceled = [call.startswith("cancel --yes --stack dev") for call in calls(workspace.engine.folder)]
    assert canceled == [True] * freed


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_stack_lock_has_an_unknown_owner(workspace: Workspace, damaged: str) -> None:
    lock_stack(workspace, "base", damaged)
    with pytest.raises(OrchestratorError, match="base is locked by an unknown owner"):
        locks.require_unlocked(workspace)
    with pytest.raises(OrchestratorError, match=r"may still be running; wait, or free it with .* --force"):
        locks.free_stack(workspace, "base", forbid)


def test_a_stack_lock_that_was_left_is_freed(workspace: Workspace) -> None:
    assert locks.free_stack(workspace, "base", forbid) is None
    lock_stack(workspace, "base")
    assert locks.free_stack(workspace, "base", forbid).pid == NOBODY
    assert len(calls(workspace.engine.folder)) == 1


@pytest.mark.parametrize(
    ("key", "start"),
    [
        (".shop/locks/local-a.json", "local-a is being changed by "),
        (f"{locks.STACK_LOCKS}/shop-store/local-a/1b2c.json", "shop-store/local-a is being changed by "),
    ],
)
def test_a_store_is_idle_unless_a_lock_in_it_may_be_at_work(workspace: Workspace, key: str, start: str) -> None:
    store = EnvironmentLock(workspace).store
    locks.require_idle(store, workspace.monorepo)
    assert store.put_if_absent(key, lock_text())
    with pytest.raises(OrchestratorError) as refused:
        locks.require_idle(store, workspace.monorepo)
    assert str(refused.value).startswith(start)
    assert str(refused.value).endswith("or if it hangs: ./inv unlock all --env local-a --force")
    assert store.put_if_match(key, lock_text(pid=NOBODY), store.get(key).version)
    locks.require_idle(store, workspace.monorepo)


def test_a_lock_shows_its_owner_its_age_and_whether_the_owner_is_gone() -> None:
    since = datetime.now(UTC) - timedelta(hours=3, minutes=20)
    lock = Lock.of_this_process("").model_copy(update={"user": "aiko", "pid": NOBODY, "since": since})
    assert str(lock) == f"aiko@{socket.gethostname()} process {NOBODY}, which is gone, since 3 h 20 min"


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
def test_an_age_is_shown_in_its_two_largest_units(age: dict[str, int], words: str) -> None:
    assert locks.format_age(timedelta(**age)) == words


def test_a_process_that_began_after_the_lock_is_not_its_owner() -> None:
    """The system gives a process's number again, above all after a restart."""
    assert not Lock.of_this_process("up").abandoned
    lock = Lock.of_this_process("up").model_copy(update={"start": ""})  # as the engine's locks are
    assert not lock.abandoned
    assert lock.model_copy(update={"since": lock.since - timedelta(days=1)}).abandoned
    assert not lock.model_copy(update={"since": lock.since - timedelta(days=1), "host": "elsewhere"}).abandoned


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no username")])
def test_a_user_without_a_name_is_known_by_number(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", mock.Mock(side_effect=error))
    assert Lock.of_this_process("deploy-all").user == str(os.getuid())
