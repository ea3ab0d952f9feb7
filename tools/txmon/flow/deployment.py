"""What the verbs of the transactions' flow need of an environment: outputs of its layers, and clients of AWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from shared.names import Names
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.checkpoints import read_snapshot
from tools.txmon.aws_errors import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.orchestrator.engine.workspace import Workspace

CALL_SECONDS: Final = 60
"""How long a call may take, except an invocation, which has a limit of its own."""


@dataclass(frozen=True)
class Deployment:
    """A deployed environment, as a program outside of it sees it."""

    env: str
    outputs: Mapping[str, Mapping[str, Any]]
    """Layer -> output -> value, of the deployed layers."""
    session: boto3.Session
    endpoint: str | None = None
    """The local cloud's; None on AWS."""

    def output(self, layer: str, name: str) -> Any:
        """Return an output.

        Raises:
            OrchestratorError: the layer is not deployed, or was deployed before it had the output.
        """
        if layer not in self.outputs:
            raise OrchestratorError(f"{layer} is not deployed in {self.env}: ./inv deploy-all --env {self.env}")
        if name not in self.outputs[layer]:
            raise OrchestratorError(
                f"{layer} of {self.env} lacks the output {name}, which its contract now has: "
                f"./inv up {layer} --env {self.env}"
            )
        return self.outputs[layer][name]

    @property
    def lacks_stores(self) -> bool:
        """Whether it was deployed where no server of databases or caches runs."""
        return self.outputs.get("processing", {}).get("schema_version") == 0

    @property
    def names(self) -> Names:
        """The physical names of the environment's resources."""
        return Names(self.output("streaming", "environment_suffix"))

    @property
    def region(self) -> str:
        return str(self.output("streaming", "region"))

    def client(self, service: str, *, seconds: float = CALL_SECONDS, attempts: int = 5) -> Any:
        """Return a client of an AWS service whose calls end after so many seconds, and are made so often."""
        config = Config(
            connect_timeout=5,
            read_timeout=seconds,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            tcp_keepalive=True,  # a NAT gateway forgets a connection that is silent for 350 s, as a long call is
            ignore_configured_endpoint_urls=self.endpoint is not None,
        )
        return self.session.client(service, region_name=self.region, endpoint_url=self.endpoint, config=config)

    def acting_as(self, role_arn: str) -> Deployment | None:
        """Return the same deployment with the rights of a role; None if the role does not trust the caller."""
        try:
            answer = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="txmon")
        except ClientError as error:
            if error.response["Error"]["Code"] in REFUSALS:
                return None
            raise
        keys = answer["Credentials"]
        session = _session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        return Deployment(self.env, self.outputs, session, self.endpoint)


def _session(*keys: str) -> boto3.Session:
    """Return a session with these keys, also if the shell names a profile that does not exist."""
    return boto3.Session(*keys, botocore_session=botocore.session.Session({"profile": (None, None, None, None)}))


def open_deployment(workspace: Workspace) -> Deployment:
    """Return the deployed environment of a workspace, reached with the credentials that the engine would use."""
    snapshot = read_snapshot(workspace)
    stacks = [snapshot.stack(layer) for layer in workspace.monorepo.layers]
    outputs = {stack.name: stack.outputs for stack in stacks if stack.is_deployed}
    given = workspace.variables
    if not workspace.environment.is_local:
        return Deployment(workspace.env, outputs, boto3.Session())
    session = _session(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    return Deployment(workspace.env, outputs, session, given["AWS_ENDPOINT_URL"])
