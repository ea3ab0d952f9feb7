"""Tests the start of the local cloud and the files of its home, without an emulator."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import filelock
import pytest

from tools.localcloud import home, lifecycle
from tools.localcloud.errors import LocalCloudError
from tools.localcloud.lifecycle import LocalCloud
from tools.localcloud.servers import binaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_taken_port_is_named_with_its_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalCloudError, match=f"port {port} is taken.*--port"):
            LocalCloud(tmp_path).start(port=port)


class Taken:
    """Launches nothing: another program takes the first port that is tried."""

    def __init__(self) -> None:
        self.tried: list[int] = []
        self.other = socket.socket()

    def __call__(self, _files: home.Files, port: int) -> home.Cloud:
        self.tried.append(port)
        if len(self.tried) == 1:
            self.other.bind(("127.0.0.1", port))
            self.other.listen()
            raise LocalCloudError("the port is taken")
        return home.Cloud(pid=1, emulator_pid=2, port=port, provider_port=3, started="now")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_another_port_is_tried_if_a_program_takes_the_free_one(tmp_path: Path) -> None:
    launch = Taken()
    with launch.other:
        LocalCloud(tmp_path, launch=launch).start()
    first, second = launch.tried
    assert first != second


def test_no_other_port_is_tried_if_a_program_takes_the_given_one(tmp_path: Path) -> None:
    launch = Taken()
    with launch.other, pytest.raises(LocalCloudError, match="is taken by another program"):
        LocalCloud(tmp_path, launch=launch).start(port=free_port())
    assert len(launch.tried) == 1


def launched(_: home.Files, port: int) -> home.Cloud:
    return home.Cloud(pid=1, emulator_pid=2, port=port, provider_port=3, started="now")


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """Collect what the local cloud logs, even if a verb of another test has set its own handler."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    lifecycle.log.addHandler(handler)
    yield found
    lifecycle.log.removeHandler(handler)


def test_a_port_that_is_taken_for_a_while_is_used_again(tmp_path: Path, warnings: list[str]) -> None:
    cloud, files = LocalCloud(tmp_path, launch=launched), home.Files(tmp_path)
    cloud.start()
    first = files.port()
    stack = files.state / ".pulumi/stacks/txmon-streaming/local.json"
    stack.parent.mkdir(parents=True)
    stack.touch()
    assert warnings == []
    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
        other.listen()
        cloud.start()
    [warning] = warnings
    assert f"outputs with its port {first}, as URLs of queues, lead nowhere" in warning
    cloud.start()
    assert (files.port(), len(warnings)) == (first, 1)


@pytest.mark.parametrize(("mode", "lacking"), [("off", "PostgreSQL, Valkey"), ("", "")])
def test_a_start_notes_which_servers_this_machine_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, lacking: str
) -> None:
    monkeypatch.setenv(binaries.MODE, mode)
    LocalCloud(tmp_path, launch=launched).start()
    assert home.Files(tmp_path).read_lacking() == lacking


def test_histories_and_notes_have_a_length(tmp_path: Path) -> None:
    files = home.Files(tmp_path)
    files.prepare()
    history = files.state / ".pulumi/history/txmon-data/local"
    history.mkdir(parents=True)
    for number in range(100, 150):
        files.note_created("urn:a", str(number))
        for kind in ("history", "checkpoint"):
            (history / f"local-{number}.{kind}.json").touch()
    LocalCloud(tmp_path, launch=launched).start()
    assert files.created() == {"urn:a": "149"}
    assert (tmp_path / "created").read_text() == "urn:a\t149\n"
    assert len(list(history.iterdir())) == 2 * home.HISTORY_KEPT
    assert (history / "local-149.history.json").exists()


def test_only_the_newest_states_that_were_set_aside_are_kept(tmp_path: Path) -> None:
    files = home.Files(tmp_path)
    files.prepare()
    for number in range(home.SET_ASIDE_KEPT + 2):
        aside = tmp_path / files.set_state_aside(f"2025{number}")
    kept = sorted(folder.name for folder in aside.parent.iterdir())
    assert (kept[0], kept[-1], len(kept)) == ("20252", aside.name, home.SET_ASIDE_KEPT)


def test_a_start_gives_up_waiting_for_another_start(tmp_path: Path) -> None:
    with (
        filelock.FileLock(home.Files(tmp_path).lock),
        pytest.raises(LocalCloudError, match="starting or stopping the local"),
    ):
        LocalCloud(tmp_path, lock_seconds=0.01).start()


def test_files_are_private_and_half_a_line_is_ignored(tmp_path: Path) -> None:
    files = home.Files(tmp_path / ".local")
    files.prepare()
    assert files.home.stat().st_mode & 0o777 == 0o700
    files.write_cloud(home.Cloud(pid=1, emulator_pid=2, port=3, provider_port=4, started="now"))
    files.write_token("t")
    files.write_provider("plugin")
    assert {path.stat().st_mode & 0o777 for path in files.home.iterdir() if path.is_file()} == {0o600}
    assert [path.stat().st_mode & 0o777 for path in files.home.rglob("pulumi-resource-aws")] == [0o700]
    files.note_created("urn:a", "one")
    with (files.home / "created").open("a") as noted:
        noted.write("urn:b")
    assert files.created() == {"urn:a": "one"}


@pytest.mark.parametrize("attempt", range(10))
def test_concurrent_preparations_make_a_whole_home(tmp_path: Path, attempt: int) -> None:
    files = home.Files(tmp_path / ".local")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: files.prepare(), range(8)))
    [key, plugin] = sorted(path for path in files.home.rglob("*") if path.is_file())
    assert key.name == "key"
    assert plugin.read_text() == home.PLUGIN


def test_concurrent_preparations_agree_on_a_key(tmp_path: Path) -> None:
    files = home.Files(tmp_path / ".local")

    def key_after_preparation(_: int) -> home.AccessKey:
        files.prepare()
        return files.read_key()

    with ThreadPoolExecutor() as pool:
        assert len(set(pool.map(key_after_preparation, range(8)))) == 1


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    files = home.Files(tmp_path / ".local")
    files.prepare()
    (files.home / "key").write_text("{}")
    with pytest.raises(LocalCloudError, match=r"\.local/key is not a key of the local cloud"):
        files.read_key()


def test_a_home_that_is_not_writable_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalCloudError, match=r"write into .*file/\.local, but it is not writable: Not a directory"):
        LocalCloud(tmp_path / "file" / ".local").start()


def test_a_process_with_the_pid_of_a_dead_cloud_is_not_the_cloud(tmp_path: Path) -> None:
    files = home.Files(tmp_path)
    files.write_cloud(home.Cloud(pid=os.getpid(), emulator_pid=os.getpid(), port=3, provider_port=4, started="now"))
    cloud = LocalCloud(tmp_path)
    assert cloud.status() is None
    assert not cloud.stop()
    with pytest.raises(LocalCloudError, match="not running"):
        cloud.variables()


ODD_CLOUDS = [
    "",
    "null",
    "[1]",
    '{"pid": 1}',
    *(
        f'{{"pid": {pid}, "emulator_pid": 2, "port": {port}, "provider_port": 3, "started": "now"}}'
        for pid, port in (("-5", "1"), ('"x"', "1"), ("1e99", "1"), ("1", "99999"), ("9" * 5000, "1"))
    ),
]


@pytest.mark.parametrize("text", ODD_CLOUDS)
def test_a_file_of_another_shape_is_no_running_cloud_and_no_port(tmp_path: Path, text: str) -> None:
    files = home.Files(tmp_path)
    files.cloud.write_text(text)
    (tmp_path / "port").write_text(text)
    assert files.read_cloud() is None
    assert files.port() is None
    assert LocalCloud(tmp_path).status() is None


def test_bytes_that_are_no_text_are_read_as_replaced(tmp_path: Path) -> None:
    for name in ("cloud.json", "port", "provider", "token", "created"):
        (tmp_path / name).write_bytes(b"\xff\xfe\t\xff\n")
    files = home.Files(tmp_path)
    assert (files.read_cloud(), files.port(), LocalCloud(tmp_path).provider) == (None, None, "embedded")
    assert files.read_token()
    assert len(files.created()) == 1


def test_a_damaged_choice_of_the_provider_counts_as_none(tmp_path: Path) -> None:
    home.Files(tmp_path).write_provider("plu")
    assert LocalCloud(tmp_path).provider == "embedded"


def test_importing_the_package_is_quick() -> None:
    slow = "{'boto3', 'pulumi', 'grpc', 'ministack'}"
    code = f"import sys, tools.localcloud; print(sorted({slow} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
