"""Each assumption about MiniStack, one test each: the tests that fail after an upgrade say what to mend."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.support.emulator import KEY, REPOSITORY, client, free_port, running
from tools.localcloud import emulator
from tools.localcloud.home import AccessKey
from tools.localcloud.ministack_adapter import ACCOUNT, HOST, REGION

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.local


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


def test_a_save_that_fails_keeps_all_that_was_saved_before(tmp_path: Path) -> None:
    with running(tmp_path) as port:
        assert client("sqs", port).create_queue(QueueName="before")
        client("ssm", port).put_parameter(Name="token", Value="before", Type="String")
    saved = (tmp_path / "emulator").stat().st_ino
    with running(tmp_path) as port:
        [process] = [each for each in psutil.Process().children() if each.cwd() == str(tmp_path)]
        process.rlimit(psutil.RLIMIT_FSIZE, (3000, 3000))  # as if the disk were full after the smaller files
        client("sqs", port).create_queue(QueueName="after")
        client("ssm", port).put_parameter(Name="token", Value="after" * 1000, Type="String", Overwrite=True)
    assert (tmp_path / "emulator").stat().st_ino == saved
    assert {path.name for path in tmp_path.iterdir()} == {"emulator", "journal", "key", "tmp", "unsaved"}
    (tmp_path / "unsaved").unlink()  # because of which it would start empty
    with running(tmp_path) as port:
        assert [url.rpartition("/")[2] for url in client("sqs", port).list_queues()["QueueUrls"]] == ["before"]
        assert client("ssm", port).get_parameter(Name="token")["Parameter"]["Value"] == "before"


def test_a_graceful_stop_saves_the_state_and_a_reset_deletes_it(tmp_path: Path) -> None:
    with running(tmp_path) as port:
        assert client("sqs", port).create_queue(QueueName="kept")
    with running(tmp_path) as port:
        assert len(client("sqs", port).list_queues()["QueueUrls"]) == 1
        emulator.empty(port, KEY)
        assert not client("sqs", port).list_queues().get("QueueUrls")
    with running(tmp_path) as port:
        assert not client("sqs", port).list_queues().get("QueueUrls")


def test_a_role_is_limited_to_its_policies(port: int) -> None:
    role = session(port, "limited")
    assert client("sts", port, role).get_caller_identity()["Arn"].endswith("assumed-role/limited/test")
    with pytest.raises(ClientError, match="AccessDenied"):
        client("kms", port, role).list_keys()


def test_a_policy_that_names_a_role_is_about_its_sessions(port: int) -> None:
    role, other = session(port, "named"), session(port, "not-named")
    secrets = client("secretsmanager", port)
    secret = secrets.create_secret(Name="named", SecretString="x")["ARN"]
    named = f"arn:aws:iam::{ACCOUNT}:role/named"
    deny = {"Effect": "Deny", "Condition": {"ArnNotLike": {"aws:PrincipalArn": named}}}
    statements = [{"Effect": "Allow"}, deny]
    common = {"Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    document = {"Version": "2012-10-17", "Statement": [common | each for each in statements]}
    secrets.put_resource_policy(SecretId=secret, ResourcePolicy=json.dumps(document))
    assert client("secretsmanager", port, role).get_secret_value(SecretId=secret)["SecretString"] == "x"
    with pytest.raises(ClientError, match="explicit deny"):
        client("secretsmanager", port, other).get_secret_value(SecretId=secret)


def test_a_changed_secret_or_token_of_a_session_is_refused(port: int) -> None:
    role = session(port, "changed")
    for changed in (replace(role, secret=f"{role.secret}x"), replace(role, token=f"{role.token}x")):
        with pytest.raises(ClientError, match="local-env"):
            client("sts", port, changed).get_caller_identity()


def test_the_secret_of_a_function_cannot_be_derived_from_its_name() -> None:
    code = """
from tools.localcloud import ministack_adapter
from ministack.core import lambda_runtime
from ministack.services import lambda_svc
function = {"FunctionArn": "arn:aws:lambda:ap-northeast-1:000000000000:function:f", "FunctionName": "f", "Role": "r"}
its_own = lambda_runtime.execution_credentials(function)
ministack_adapter._give_functions_random_secrets()
given = lambda_runtime.execution_credentials(function)
assert given == lambda_svc.execution_credentials(function)
known = ministack_adapter._session(given["AWS_ACCESS_KEY_ID"])
print(given["AWS_SECRET_ACCESS_KEY"] == known.secret != its_own["AWS_SECRET_ACCESS_KEY"])
"""
    environment = {"PATH": os.environ["PATH"], "AUTH": "true"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "True"


def session(port: int, name: str) -> AccessKey:
    """Make a role without policies and return a session of it."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = client("iam", port).create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
    given = client("sts", port).assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    return AccessKey(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
