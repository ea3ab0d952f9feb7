"""Turns the errors of AWS's SDK into sentences."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, TokenRetrievalError

from tools.orchestrator.model.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSALS: Final = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "KMSAccessDeniedException"}
"""The error codes with which AWS's services say that the caller lacks a right."""
MISSING: Final = {"ResourceNotFoundException", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
"""The error codes of a stream, function or queue that is not there."""


@contextmanager
def aws_errors(env: str) -> Iterator[None]:
    """Turn an error of AWS's SDK into a sentence with its remedy.

    Raises:
        OrchestratorError: AWS refused a call, or did not answer.
    """
    try:
        yield
    except (NoCredentialsError, TokenRetrievalError) as error:
        raise OrchestratorError(f"{error}: get AWS credentials, for example with aws sso login") from None
    except ClientError as error:
        raise OrchestratorError(_explained(error, env)) from None
    except BotoCoreError as error:
        raise OrchestratorError(f"AWS does not answer: {error}") from None


def _explained(error: ClientError, env: str) -> str:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    refused = f"AWS refused {error.operation_name}: {message or code}"
    if code in REFUSALS:
        return f'{refused}; docs/operations.md names the rights of each verb ("Transactions")'
    if code in MISSING:
        return f"{refused}; what was deployed is gone: ./inv drift --env {env} shows what else is missing"
    return refused
