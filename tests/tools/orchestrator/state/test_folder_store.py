"""A folder as a store of objects that are written and deleted as a whole, on conditions."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import filelock
import pytest

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.folder_store import FolderStore
from tools.orchestrator.state.object_store import StoredObject

KEY = "locks/dev.json"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def text(store: FolderStore) -> str | None:
    found = store.get(KEY)
    return found.text if found else None


def test_objects_are_listed_below_a_folder(store: FolderStore) -> None:
    assert store.list("locks") == []
    for name in ("b.json", "a/c.json"):
        assert store.put_if_absent(f"locks/{name}", "text")
    assert store.list("locks") == ["a/c.json", "b.json"]


def test_an_object_is_replaced_and_deleted_only_in_the_version_that_was_read(store: FolderStore) -> None:
    assert store.put_if_absent(KEY, "one")
    assert not store.put_if_absent(KEY, "other")
    assert not store.put_if_match(KEY, "two", "other")
    assert store.put_if_match(KEY, "two", "one")
    assert not store.delete_if_match(KEY, "one")
    assert store.delete_if_match(KEY, "two")
    assert store.get(KEY) is None
    assert not store.put_if_match(KEY, "three", "two")


def test_an_object_appears_with_its_whole_text(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def watched(path: Path, content: str, encoding: str) -> int:
        found.append(store.get(KEY))
        written = write_text(path, content, encoding)
        found.append(store.get(KEY))
        return written

    found: list[StoredObject | None] = []
    write_text = Path.write_text
    monkeypatch.setattr(Path, "write_text", watched)
    assert store.put_if_absent(KEY, "whole")
    assert found == [None, None]
    assert text(store) == "whole"


def test_a_full_disk_leaves_no_file(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(path: Path, *_: str) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill)
    with pytest.raises(OSError, match="No space left"):
        store.put_if_absent(KEY, "whole")
    assert list((store.path / KEY).parent.iterdir()) == []


def test_only_one_of_two_replacements_at_once_succeeds(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    class ReadsTogether(FolderStore):
        def get(self, key: str) -> StoredObject | None:
            found = super().get(key)
            with suppress(threading.BrokenBarrierError):
                both.wait(timeout=0.2)  # a reader that is alone waits in vain
            return found

    store = ReadsTogether(tmp_path)
    store.put_if_absent(KEY, "abandoned")
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda run: store.put_if_match(KEY, run, "abandoned"), ["one", "other"])) == 1


def test_a_guard_that_another_process_never_frees_ends_the_wait(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, guard_seconds=0.1)
    assert store.put_if_absent(KEY, "one")
    with (
        filelock.FileLock(tmp_path / "locks/.guard"),
        pytest.raises(OrchestratorError, match=r"another process has been changing .*dev\.json for 0\.1 s: end it"),
    ):
        store.delete_if_match(KEY, "one")
    assert store.delete_if_match(KEY, "one")
