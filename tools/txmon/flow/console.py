"""Asks the console, which reads PostgreSQL for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from pydantic import BaseModel, TypeAdapter

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.aws_errors import MISSING

if TYPE_CHECKING:
    from tools.txmon.flow.functions import Function


class Answer(BaseModel):
    """The first rows of a query's result, or PostgreSQL's reason why there are none."""

    columns: list[str] = []
    rows: list[list[Any]] = []
    more: bool = False
    """Whether the result has more rows."""
    error: str | None = None


ANSWER: Final = TypeAdapter(Answer)


def ask(console: Function, query: str, by: str) -> Answer:
    """Return what PostgreSQL answers to a query of somebody, given by ARN.

    Raises:
        OrchestratorError: it refuses the query, or the environment has no console.
    """
    try:
        answer = console.call({"sql": query, "by": by}, ANSWER)
    except ClientError as error:
        if error.response["Error"]["Code"] not in MISSING:
            raise
        raise OrchestratorError(
            f"{console.env} lets no operator in: set txmon-processing:operatorAccess to true in "
            f"projects/processing/Pulumi.{console.env}.yaml, then ./inv up processing --env {console.env}"
        ) from None
    if answer.error is not None:
        raise OrchestratorError(answer.error)
    return answer
