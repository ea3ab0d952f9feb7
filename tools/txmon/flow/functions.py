"""Calls the functions of processing. The stores are reached through them alone: no other way leads into the VPC."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from tools.orchestrator.model.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tools.txmon.flow.deployment import Deployment

Answer = TypeVar("Answer")

LONGEST_SECONDS: Final = 910
"""How long a call may take: Lambda ends a function after 900 s (Lambda Developer Guide, "Lambda quotas")."""
MESSAGE_CHARACTERS: Final = 500
WITHOUT_STORES: Final = (
    "no server runs for PostgreSQL or Redis here, so that transactions stay in the stream: ./inv doctor says why"
)


@dataclass(frozen=True)
class Function:
    """A deployed function."""

    name: str
    invoke: Callable[..., Mapping[str, Any]]
    """Invoke of a Lambda client."""
    env: str
    log_group: str

    def call(self, event: Mapping[str, Any], answer: TypeAdapter[Answer]) -> Answer:
        """Return what the function answers to an event.

        Raises:
            OrchestratorError: it failed, or another version of it is deployed.
        """
        result = self.invoke(FunctionName=self.name, Payload=json.dumps(event).encode())
        payload, shown = result["Payload"].read(), self.name.rpartition(":")[2]
        if result.get("FunctionError"):
            raise OrchestratorError(f"{shown} failed: {_reason(payload)}; its log is {self.log_group}")
        try:
            return answer.validate_json(payload)
        except ValidationError:
            raise OrchestratorError(
                f"{shown} does not answer as this version of the repository asks: deploy the same version with "
                f"./inv up processing --env {self.env}"
            ) from None


def _reason(payload: bytes) -> str:
    """Return the error's message in what Lambda answers for a function that failed, as one line."""
    try:
        message = str(json.loads(payload)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        message = payload.decode("utf-8", "replace")
    return " ".join(message.split())[:MESSAGE_CHARACTERS]


def migrator(deployment: Deployment, *, seconds: float = LONGEST_SECONDS) -> Function:
    """Return the function that answers questions about the stores, whose calls may take so many seconds.

    Raises:
        OrchestratorError: the stores do not run.
    """
    return _function(deployment, "migrator_function_name", seconds)


def consumer(deployment: Deployment) -> Function:
    """Return the function that stores transactions. While a store is away, a call takes most of its time-out.

    Raises:
        OrchestratorError: the stores do not run.
    """
    return _function(deployment, "consumer_function_name", LONGEST_SECONDS)


def console(deployment: Deployment) -> Function:
    """Return the function that answers operators' queries, which exists only with `operatorAccess`."""
    return _named(deployment, deployment.names.physical("console_function"), LONGEST_SECONDS)


def _function(deployment: Deployment, output: str, seconds: float) -> Function:
    return _named(deployment, deployment.output("processing", output), seconds)


def _named(deployment: Deployment, name: str, seconds: float) -> Function:
    if deployment.lacks_stores:
        raise OrchestratorError(WITHOUT_STORES)
    # One attempt: what timed out is still running, and a second call would run beside it.
    client = deployment.client("lambda", seconds=seconds, attempts=1)
    # In full, so that credentials of another account do not find a function of the same name.
    account = deployment.output("processing", "consumer_function_arn").rpartition(":")[0]
    log_group = deployment.output("processing", "processing_log_group_name")
    return Function(f"{account}:{name}", client.invoke, deployment.env, log_group)
