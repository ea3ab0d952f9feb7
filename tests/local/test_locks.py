"""The lock of an environment whose state lies in an S3 bucket, on the emulator's S3, which honours If-None-Match."""

import os
import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from shared.deploy import locks

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
def credentials(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    return keys


def url(clone, bucket: str) -> str:
    return (
        f"s3://{bucket}/team?region=ap-northeast-1&s3ForcePathStyle=true"
        f"&endpoint=http://127.0.0.1:{clone.cloud['port']}"
    )


@pytest.fixture
def workspace(clone, bucket, credentials) -> Iterator[SimpleNamespace]:
    yield SimpleNamespace(env="dev", backend=url(clone, bucket))
    clone.client("s3").delete_object(Bucket=bucket, Key=KEY)


def test_the_lock_is_made_once_and_lies_beside_the_state(clone, bucket, workspace) -> None:
    place = locks.place_of(workspace)
    assert place.read() is None
    assert place.create("first")
    assert not place.create("second")
    assert place.read() == "first"
    assert clone.client("s3").get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"first"
    place.delete()
    assert place.read() is None
    assert place.create("third")


def test_a_bucket_is_held_by_one_run_at_a_time_and_free_afterwards(workspace, refuses_a_second_run) -> None:
    refuses_a_second_run(workspace)
    assert locks.place_of(workspace).read() is None


def test_the_lock_of_a_run_that_is_provably_gone_is_taken_over(workspace) -> None:
    place = locks.place_of(workspace)
    place.create(locks.Lock(pid=NOBODY).model_dump_json())
    with locks.environment_lock(workspace, "up"):
        assert locks.Lock.model_validate_json(place.read()).pid == os.getpid()


def test_verbs_name_the_holder_of_a_bucket_and_unlock_frees_it_by_force(clone, workspace, credentials) -> None:
    """The verbs find the bucket themselves, with the engine, from PULUMI_BACKEND_URL and the credentials."""
    backend = credentials | {"PULUMI_BACKEND_URL": workspace.backend, "PULUMI_CONFIG_PASSPHRASE": "dev"}
    locks.place_of(workspace).create(locks.Lock(user="aiko", host="elsewhere", pid=7, verb="up").model_dump_json())
    refused = clone.inv("up", "network", "--env", "dev", "--yes", **backend)
    assert refused.code == 1
    assert "dev is being changed by aiko@elsewhere process 7 (up), since" in refused.err
    kept = clone.inv("unlock", "all", "--env", "dev", **backend)
    assert kept.code == 1
    assert "it may still be at work" in kept.err
    freed = clone.inv("unlock", "all", "--env", "dev", "--force", **backend)
    assert freed.code == 0, freed.said
    assert locks.place_of(workspace).read() is None


@pytest.mark.parametrize("verb", [("status",), ("up", "network", "--yes"), ("unlock", "all")])
def test_a_bucket_that_does_not_exist_is_said_so(clone, bucket, credentials, verb: tuple[str, ...]) -> None:
    backend = credentials | {"PULUMI_BACKEND_URL": url(clone, "missing"), "PULUMI_CONFIG_PASSPHRASE": "dev"}
    done = clone.inv(*verb, "--env", "dev", **backend)
    assert done.code == 1
    assert re.fullmatch(r"txmon: .*bucket.* does not exist.*\n", done.err)
