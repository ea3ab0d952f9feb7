"""Other users of the machine and web pages reach the ports of the local cloud, and nothing behind them."""

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Site, chromium, visit

pytestmark = pytest.mark.local

ATTACK = Path(__file__).parents[1] / "support/attack.html"
NOBODY = 65534
CREATE_FUNCTION = "/2015-03-31/functions"
ATTACKS = [
    ("POST", CREATE_FUNCTION, {"Content-Type": "text/plain"}),
    ("POST", "/_ministack/reset", {}),
    ("POST", "/", {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/x/kms/aws4_request, Signature=0"}),
    ("POST", "/", {"Origin": "http://127.0.0.1:8000", "Content-Type": "text/plain"}),
    ("OPTIONS", "/", {"Origin": "http://127.0.0.1:8000", "Access-Control-Request-Method": "POST"}),
    ("GET", "/", {"Host": "attacker.example"}),
]
PROVIDER = """
import sys, grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc
stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}"))
for call in (
    lambda: stub.Handshake(provider_pb2.ProviderHandshakeRequest()),
    lambda: stub.Configure(provider_pb2.ConfigureRequest()),
    lambda: stub.Invoke(provider_pb2.InvokeRequest(tok="aws:index/getCallerIdentity:getCallerIdentity")),
    lambda: stub.Delete(provider_pb2.DeleteRequest(id="x", urn="urn:pulumi:a::b::aws:sqs/queue:Queue::c")),
):
    try:
        call()
        print("answered")
    except grpc.RpcError as error:
        print(error.details())
"""


@pytest.fixture(scope="module")
def cloud(clone) -> dict[str, Any]:
    """The ports of a running local cloud."""
    assert clone.inv("local-env").code == 0
    found: dict[str, Any] = clone.cloud
    return found


@pytest.mark.parametrize(("method", "path", "headers"), ATTACKS)
def test_an_unsigned_request_is_refused_and_no_page_may_read_why(
    cloud, method: str, path: str, headers: dict
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", cloud["port"], timeout=10)
    connection.request(method, path, "{}", headers)
    answer = connection.getresponse()
    assert answer.status == 403
    assert answer.getheader("Access-Control-Allow-Origin") is None


def test_the_provider_serves_no_process_but_engines(clone, cloud) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROVIDER, str(cloud["provider_port"])],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert set(done.stdout.splitlines()) == {"the local cloud's provider serves the engines of its own clone only"}


@pytest.fixture(scope="module")
def browser() -> Path:
    if not chromium().exists():
        pytest.skip("Chromium is missing; this fetches it: .venv/bin/python -m tests.support.browser")
    return chromium()


def test_a_page_in_a_browser_changes_and_reads_nothing(clone, cloud, browser: Path) -> None:
    clone.client("sqs").create_queue(QueueName="kept")
    with Site(ATTACK.read_text("utf-8")) as site:
        read_there = visit(browser, site, f"target=http://localhost:{site.server_port}")
        read_here = visit(browser, site, f"target=http://127.0.0.1:{cloud['port']}")
    # A server that lets everybody in gets every attempt, and its answers are read.
    assert {path for _, path in site.requests} >= {f"/{name}" for name in read_there if name != "reset"}
    assert {name for name, text in read_there.items() if text} == {"cors", "preflighted", "get"}
    assert set(read_here.values()) == {""}
    assert _queues(clone) == ["kept"]


def test_a_page_whose_name_was_made_to_lead_here_reads_refusals_only(clone, cloud, browser: Path) -> None:
    # Without web security a page can read every answer, as one can whose name suddenly leads to this machine.
    rebound = ("--disable-web-security", "--host-resolver-rules=MAP shop.example 127.0.0.1")
    with Site(ATTACK.read_text("utf-8")) as site:
        read = visit(browser, site, f"target=http://shop.example:{cloud['port']}", *rebound)
    assert all("UnrecognizedClientException" in text for text in read.values() if text)
    assert read["get"]
    assert "evil" not in _queues(clone)


def _queues(clone) -> list[str]:
    return [url.rpartition("/")[2] for url in clone.client("sqs").list_queues().get("QueueUrls", [])]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_reads_no_key(clone) -> None:
    done = subprocess.run(
        ["cat", clone.path / ".local/key"], user=NOBODY, group=NOBODY, capture_output=True, check=False, timeout=10
    )
    assert done.returncode != 0
    assert (clone.path / ".local/key").stat().st_mode & 0o777 == 0o600


def test_the_printed_variables_lead_boto3_to_the_environment(clone) -> None:
    assert clone.inv("up", "network").code == 0
    printed = dict(line.split("=", 1) for line in clone.inv("outputs", "--format", "env").out.splitlines())
    code = "import boto3, json; print(json.dumps(boto3.client('sts').get_caller_identity()['Arn']))"
    variables = {name: value for name, value in printed.items() if name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clone.environment(**variables), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == "arn:aws:iam::000000000000:root"
