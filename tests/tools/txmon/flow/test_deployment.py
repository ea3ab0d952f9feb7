"""How the flow's verbs reach an environment, and what they say if they do not."""

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from tests.support.engine import write_checkpoint
from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import STACK
from tools.txmon.aws_errors import aws_errors
from tools.txmon.flow.deployment import Deployment, open_deployment

LOCAL = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "AKIALOCAL", "AWS_SECRET_ACCESS_KEY": "s"}


def client_error(code: str, operation: str = "PutRecords") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "it said so"}}, operation)


def test_a_layer_that_is_not_deployed_is_named_with_the_command() -> None:
    deployment = Deployment("dev", {"streaming": {}}, boto3.Session())
    with pytest.raises(OrchestratorError, match=r"^processing is not deployed in dev: \./inv deploy-all --env dev$"):
        deployment.output("processing", "x")


def test_an_output_newer_than_the_deployment_is_named_with_the_command() -> None:
    deployment = Deployment("dev", {"streaming": {}}, boto3.Session())
    with pytest.raises(OrchestratorError, match=r"lacks the output x, .*: \./inv up streaming --env dev$"):
        deployment.output("streaming", "x")


def test_a_local_environment_is_reached_whatever_the_shell_says(tmp_path, monkeypatch) -> None:
    for name, value in {"AWS_PROFILE": "ghost", "AWS_SESSION_TOKEN": "t", "AWS_ENDPOINT_URL_SQS": "http://x"}.items():
        monkeypatch.setenv(name, value)
    workspace = make_workspace(make_monorepo(tmp_path, {"streaming": ()}), "local", **LOCAL)
    outputs = {"environment_suffix": "local", "region": "eu-west-1"}
    write_checkpoint(workspace, "shop-streaming/local", [{"type": STACK, "urn": "x", "outputs": outputs}])
    deployment = open_deployment(workspace)
    client = deployment.client("sqs")
    assert client.meta.endpoint_url == LOCAL["AWS_ENDPOINT_URL"]
    assert client.meta.region_name == "eu-west-1"
    credentials = deployment.session.get_credentials()
    assert (credentials.access_key, credentials.token) == ("AKIALOCAL", None)
    assert deployment.names.alarm("*") == "transaction-monitoring-local/*"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (client_error("AccessDeniedException"), "^AWS refused PutRecords: it said so; docs/operations.md names the"),
        (client_error("ResourceNotFoundException"), r"what was deployed is gone: \./inv drift --env dev"),
        (client_error("ThrottlingException"), "^AWS refused PutRecords: it said so$"),
        (NoCredentialsError(), "get AWS credentials, for example with aws sso login$"),
        (EndpointConnectionError(endpoint_url="http://x"), "^AWS does not answer: "),
    ],
)
def test_an_error_of_aws_becomes_a_sentence(error: Exception, sentence: str) -> None:
    with pytest.raises(OrchestratorError, match=sentence), aws_errors("dev"):
        raise error
