"""Each assumption about MiniStack, one test each: the tests that fail after an upgrade say what to mend."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tools.localcloud import emulator
from tools.localcloud.ministack_adapter import ACCOUNT, HOST, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[3]

pytestmark = pytest.mark.local


@contextmanager
def running(home: Path, **variables: str) -> Iterator[int]:
    """Run an emulator with its state in `home`, and give its port."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ({"PYTHONPATH": str(REPOSITORY)} | variables).items():
            patch.setenv(name, value)
        process = emulator.spawn(port, home)
    try:
        assert emulator.wait(process, port)
        yield port
    finally:
        emulator.stop(process)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an emulator that the tests share."""
    with running(tmp_path_factory.mktemp("home")) as made:
        yield made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def client(service: str, port: int, key: str = "test") -> Any:
    return boto3.client(
        service,
        endpoint_url=f"http://{HOST}:{port}",
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=key,
    )


def test_it_reads_its_settings_when_it_is_imported() -> None:
    code = "import os; os.environ['MINISTACK_REGION'] = 'x'; from ministack.services import ec2; print(ec2.REGION)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "x"


def test_its_health_is_answered(port: int) -> None:
    assert emulator.healthy(port)
    assert not emulator.healthy(free_port())


def test_it_listens_on_the_loopback_interface_only(port: int) -> None:
    with socket.socket() as other:
        other.settimeout(1)
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_region_account_host_and_port_are_as_set(port: int) -> None:
    queues = client("sqs", port)
    url = queues.create_queue(QueueName="settings")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    assert arn == f"arn:aws:sqs:{REGION}:{ACCOUNT}:settings"
    assert url == f"http://{HOST}:{port}/{ACCOUNT}/settings"


def test_redis_is_on_the_loopback_interface(port: int) -> None:
    made = client("elasticache", port).create_replication_group(
        ReplicationGroupId="settings", ReplicationGroupDescription="d", NumCacheClusters=1
    )
    assert made["ReplicationGroup"]["NodeGroups"][0]["PrimaryEndpoint"]["Address"] == HOST


def test_zones_are_those_of_a_new_account(port: int) -> None:
    zones = client("ec2", port).describe_availability_zones()["AvailabilityZones"]
    assert [zone["ZoneName"] for zone in zones] == [f"{REGION}{letter}" for letter in "acd"]
    assert [zone["ZoneId"] for zone in zones] == ["apne1-az1", "apne1-az3", "apne1-az4"]


def test_a_graceful_stop_saves_the_state_and_a_reset_deletes_it(tmp_path: Path) -> None:
    with running(tmp_path) as port:
        assert client("sqs", port).create_queue(QueueName="kept")
    with running(tmp_path) as port:
        assert len(client("sqs", port).list_queues()["QueueUrls"]) == 1
        emulator.empty(port)
        assert not client("sqs", port).list_queues().get("QueueUrls")
    with running(tmp_path) as port:
        assert not client("sqs", port).list_queues().get("QueueUrls")


def test_iam_is_enforced_if_asked(tmp_path: Path) -> None:
    with running(tmp_path, **{emulator.ENFORCE_IAM: "1"}) as port:
        assert client("kms", port).list_keys()
        with pytest.raises(ClientError, match=r"security token .* is invalid"):
            client("kms", port, key="stranger").list_keys()


def test_iam_is_not_enforced_by_default(port: int) -> None:
    assert client("kms", port, key="stranger").list_keys()
