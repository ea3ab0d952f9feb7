"""The locks of an environment whose state lies in an S3 bucket, on the emulator's S3, which honours conditions."""

import json
import os
import re
import shlex
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.state import locks
from tools.orchestrator.state.backend import open_store

pytestmark = pytest.mark.local

NOBODY = 2**22 + 1
"""Above the highest process number that Linux gives."""
KEY = "team/.txmon/locks/dev.json"


@pytest.fixture(scope="module")
def bucket(clone) -> Iterator[str]:
    clone.inv("local-env")
    clone.client("s3").create_bucket(
        Bucket="states", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"}
    )
    return "states"


@pytest.fixture
def credentials(clone, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    keys = {name.upper(): value for name, value in clone.root.items()}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    return keys


def url(clone, bucket: str) -> str:
    return (
        f"s3://{bucket}/team?region=ap-northeast-1&s3ForcePathStyle=true"
        f"&endpoint=http://127.0.0.1:{clone.cloud['port']}"
    )


@pytest.fixture
def workspace(clone, bucket, credentials, tmp_path: Path) -> Iterator[Workspace]:
    backend = url(clone, bucket)
    yield replace(
        make_workspace(make_monorepo(tmp_path, {"network": ()}, product="txmon")),
        variables={"PULUMI_BACKEND_URL": backend},
    )
    clone.client("s3").delete_object(Bucket=bucket, Key=KEY)


def lock(**changes: object) -> str:
    """This process's lock, with changes."""
    return locks.Lock.of_this_process("up").model_copy(update=changes).model_dump_json()


def test_the_lock_is_made_once_and_lies_beside_the_state(clone, bucket, workspace) -> None:
    store, key = open_store(workspace.backend), locks.EnvironmentLock(workspace).key
    assert store.get(key) is None
    assert store.put_if_absent(key, "first")
    assert not store.put_if_absent(key, "second")
    first = store.get(key)
    assert first.text == "first"
    assert clone.client("s3").get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"first"
    assert store.put_if_match(key, "third", first.version)
    assert not store.put_if_match(key, "fourth", first.version)
    third = store.get(key)
    assert third.text == "third"
    assert store.delete_if_match(key, third.version)
    assert store.get(key) is None
    assert not store.put_if_match(key, "fifth", third.version)
    assert store.put_if_absent(key, "sixth")


def test_a_bucket_is_held_by_one_run_at_a_time_and_free_afterwards(workspace, refuses_a_second_run) -> None:
    refuses_a_second_run(workspace)
    assert locks.EnvironmentLock(workspace).holder() is None


def test_the_lock_of_a_run_that_is_provably_gone_is_taken_over(workspace) -> None:
    held = locks.EnvironmentLock(workspace)
    held.store.put_if_absent(held.key, lock(pid=NOBODY))
    with held.hold("up"):
        assert held.holder().pid == os.getpid()


def test_verbs_name_the_holder_of_a_bucket_and_unlock_frees_it_by_force(clone, workspace, credentials) -> None:
    """The verbs find the bucket themselves, with the engine, from PULUMI_BACKEND_URL and the credentials."""
    backend = credentials | {"PULUMI_BACKEND_URL": workspace.backend, "PULUMI_CONFIG_PASSPHRASE": "dev"}
    held = locks.EnvironmentLock(workspace)
    held.store.put_if_absent(held.key, lock(user="aiko", host="elsewhere", pid=7, verb="up"))
    refused = clone.inv("up", "network", "--env", "dev", "--yes", **backend)
    assert refused.code == 1
    assert "dev is being changed by aiko@elsewhere process 7 (up), since" in refused.err
    kept = clone.inv("unlock", "all", "--env", "dev", **backend)
    assert kept.code == 1
    assert "it may still be running" in kept.err
    freed = clone.inv("unlock", "all", "--env", "dev", "--force", **backend)
    assert freed.code == 0, freed.said
    assert locks.EnvironmentLock(workspace).holder() is None


def test_the_engines_own_locks_in_a_bucket_are_shown_and_freed(clone, bucket, workspace, credentials) -> None:
    backend = credentials | {"PULUMI_BACKEND_URL": workspace.backend, "PULUMI_CONFIG_PASSPHRASE": "dev"}
    init = ["pulumi", "stack", "init", "--no-select", "dev", "--cwd", "projects/network"]
    made = clone.shell("\n".join([*(f"export {n}={shlex.quote(v)}" for n, v in backend.items()), shlex.join(init)]))
    assert made.code == 0, made.said
    left = {"pid": NOBODY, "username": "aiko", "hostname": socket.gethostname(), "timestamp": "2026-01-01T00:00:00Z"}
    key = "team/.pulumi/locks/organization/txmon-network/dev/1b2c.json"
    clone.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(left))
    shown = clone.inv("status", "--env", "dev", **backend)
    assert shown.code == 0, shown.said
    assert re.search(rf"^network .* aiko@\S+ process {NOBODY}, which is gone, since \d+ d", shown.out, re.MULTILINE)
    freed = clone.inv("unlock", "network", "--env", "dev", **backend)
    assert freed.code == 0, freed.said
    assert "freed the lock of aiko@" in freed.err
    assert "WARN" not in shown.said + freed.said
    assert locks.stack_locks(workspace) == {}


@pytest.mark.parametrize("verb", [("status",), ("up", "network", "--yes"), ("unlock", "all")])
def test_a_bucket_that_does_not_exist_is_said_so(clone, bucket, credentials, verb: tuple[str, ...]) -> None:
    backend = credentials | {"PULUMI_BACKEND_URL": url(clone, "missing"), "PULUMI_CONFIG_PASSPHRASE": "dev"}
    done = clone.inv(*verb, "--env", "dev", **backend)
    assert done.code == 1
    assert re.fullmatch(r"txmon: .*bucket.* does not exist.*\n", done.err)
