"""What happens when something dies or is in the way: told in a sentence, and the next run goes on."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from tenacity import retry, stop_after_delay, wait_fixed

pytestmark = pytest.mark.local

DEPLOYED = ("network", "security", "streaming")
"""Two layers that go side by side, and one that waits: faults of a run are the same with more."""
DEPLOY = ("deploy-all", "--only", ",".join(DEPLOYED))


@retry(stop=stop_after_delay(60), wait=wait_fixed(0.05), reraise=True)
def eventually(condition: Callable[[], Any]) -> Any:
    result = condition()
    assert result
    return result


def started(clone, *arguments: str) -> subprocess.Popen[str]:
    """A verb that runs in the background, in a process group of its own as a shell starts it."""
    return subprocess.Popen(
        clone.command(*arguments),
        cwd=clone.path,
        env=clone.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def locks(clone) -> list[str]:
    return [path.parent.parent.name for path in (clone.path / ".local/state/.pulumi/locks").rglob("*.json")]


def engines(clone) -> list[psutil.Process]:
    """The engine's processes that work for the clone."""
    return [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "pulumi" and any(str(clone.path) in word for word in process.info["cmdline"] or ())
    ]


@contextmanager
def busy_streaming(clone) -> Iterator[None]:
    """Streaming's program waits until the block ends: its run lasts as long."""
    done = clone.inv("up", "security")  # streaming reads it
    assert done.code == 0, done.said
    gate = clone.path / ".txmon/gate"
    gate.parent.mkdir(exist_ok=True)
    gate.touch()
    wait = f"import time\nfrom pathlib import Path\n\nwhile Path({str(gate)!r}).exists():\n    time.sleep(0.05)\n"
    try:
        with clone.source("projects/streaming/__main__.py", "config = ", f"{wait}config = "):
            yield
    finally:
        gate.unlink()


def test_ctrl_c_ends_every_layer_cleanly_and_the_next_run_goes_on(clone) -> None:
    clone.inv("local-env")
    run = started(clone, *DEPLOY)
    eventually(lambda: locks(clone))
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert "interrupted" in said
    assert locks(clone) == []
    done = clone.inv(*DEPLOY)
    assert done.code == 0, done.said


def children(clone) -> dict[str, list[psutil.Process]]:
    """The processes that a run has started, by what they are."""
    running = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if str(clone.path) in " ".join(process.info["cmdline"] or ())
    ]
    forked = [process for process in running if "multiprocessing.forkserver" in " ".join(process.info["cmdline"])]
    return {
        "engine": engines(clone),
        "policy pack": [process for process in running if "pulumi.policy" in process.info["cmdline"]],
        "programs": forked,
    }


@pytest.mark.parametrize(
    "stopped",
    ["engine", pytest.param("policy pack", marks=pytest.mark.slow), pytest.param("programs", marks=pytest.mark.slow)],
)
def test_two_ctrl_c_end_a_run_with_a_stopped_child_and_leave_nothing(clone, stopped: str) -> None:
    with busy_streaming(clone):
        run = started(clone, "up", "streaming")
        eventually(lambda: locks(clone) == ["txmon-streaming"])
        for process in eventually(lambda: children(clone)[stopped]):
            process.suspend()
        for _ in range(2):
            os.kill(run.pid, signal.SIGINT)
            time.sleep(0.5)
        said, _ = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "Traceback" not in said
    *_, record = sorted((clone.path / ".txmon/runs").glob("*/run.json"))
    assert json.loads(record.read_text())["result"] == "forced"
    eventually(lambda: not any(children(clone).values()))
    done = clone.inv("up", "streaming")
    assert done.code == 0, done.said


def test_a_lock_left_by_a_killed_engine_names_its_owner_and_how_to_free_it(clone) -> None:
    with busy_streaming(clone):
        run = started(clone, "up", "streaming")
        eventually(lambda: locks(clone) == ["txmon-streaming"])
        for engine in engines(clone):
            engine.kill()
        run.communicate(timeout=60)
    assert locks(clone) == ["txmon-streaming"]
    refused = clone.inv("up", "streaming")
    assert refused.code == 1
    assert re.search(r"streaming is locked by \S+@\S+ process \d+, which is gone, since \d+ s", refused.said)
    assert "./inv unlock streaming --env local" in refused.said
    plain = clone.shell("pulumi up -s local --yes --cwd projects/streaming")
    assert plain.code != 0
    assert "currently locked" in plain.said
    assert "which is gone" in clone.inv("status", COLUMNS="200").out
    freed = clone.inv("unlock", "streaming")
    assert freed.code == 0, freed.said
    assert locks(clone) == []
    done = clone.inv("up", "streaming")
    assert done.code == 0, done.said


def test_while_a_deploy_all_is_at_work_a_second_one_and_unlock_are_refused(clone) -> None:
    with busy_streaming(clone):
        first = started(clone, *DEPLOY)
        eventually(lambda: "txmon-streaming" in locks(clone))
        second = clone.inv(*DEPLOY)
        unlock = clone.inv("unlock", "streaming")
    said, _ = first.communicate(timeout=120)
    assert first.returncode == 0, said
    assert second.code == 1
    assert re.search(r"local is being changed by \S+@\S+ process \d+ \(deploy-all\), since \d+ s", second.err)
    assert unlock.code == 1
    assert "it may still be running" in unlock.err
    assert clone.inv(*DEPLOY).code == 0


def test_a_team_at_work_in_one_layer_is_detected(clone) -> None:
    with busy_streaming(clone):
        team = subprocess.Popen(
            [
                "bash",
                "-c",
                'eval "$(./inv local-env)"; pulumi up -s local --yes --skip-preview --cwd projects/streaming',
            ],
            cwd=clone.path,
            env=clone.environment(),
            stdout=subprocess.DEVNULL,
        )
        eventually(lambda: locks(clone) == ["txmon-streaming"])
        refused = clone.inv(*DEPLOY)
    assert team.wait(60) == 0
    assert refused.code == 1
    assert re.search(r"streaming is locked by \S+@\S+ process \d+, since \d+ s; wait for it to end", refused.err)


def test_a_killed_runner_leaves_its_engines_to_end_well_and_resume_goes_on(clone) -> None:
    clone.inv("destroy-all")
    run = started(clone, *DEPLOY)
    eventually(lambda: {"txmon-network", "txmon-security"} <= set(locks(clone)))
    os.kill(run.pid, signal.SIGKILL)
    run.wait(10)
    eventually(lambda: locks(clone) == [])
    told = clone.inv("resume")
    assert told.code == 0, told.said
    assert re.search(r"going on from deploy-all of .* UTC, which was killed", told.err)
    assert all(clone.resources(layer) for layer in DEPLOYED)


def test_a_killed_cloud_goes_on_unless_it_had_not_saved_a_change(clone) -> None:
    clone.kill()
    done = clone.inv("preview", "streaming")
    assert done.code == 0, done.said
    assert "lost" not in done.err
    assert "create" not in done.out, done.out

    clone.client("sqs").create_queue(QueueName="unsaved")
    clone.kill(unsaved=True)
    done = clone.inv(*DEPLOY)
    assert done.code == 0, done.said
    assert "the local cloud lost its resources" in done.err
    assert ".local/set-aside/" in done.err
    assert re.search(r"^network +succeeded .* create", done.out, re.MULTILINE)
    assert clone.client("kinesis").list_streams()["StreamNames"] == ["transaction-stream-local"]


def test_a_stopped_cloud_goes_on_where_it_was(clone) -> None:
    assert clone.inv("local-down").code == 0
    done = clone.inv(*DEPLOY)
    assert done.code == 0, done.said
    assert "create" not in done.out, done.out


def test_a_taken_port_is_named(clone) -> None:
    clone.inv("local-down")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = clone.inv("local-env", "--port", str(port))
    assert done.code == 1
    assert str(port) in done.err
    assert "--port" in done.err


def test_plain_pulumi_without_the_local_cloud_says_what_starts_it(clone) -> None:
    done = clone.shell(
        f"{clone.path}/inv local-down >/dev/null\npulumi up -s local --yes --skip-preview --cwd projects/network"
    )
    assert done.code != 0
    assert "./inv local-env" in done.said
