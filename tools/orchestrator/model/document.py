"""The one way in for documents that others have written: a typed value, or one sentence with file and remedy."""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, ValidationError

from tools.orchestrator.model.errors import OrchestratorError

T = TypeVar("T")

PLACE_LENGTH = 100
"""Characters of the place of a fault that a sentence shows."""

ProcessId = Annotated[int, Field(gt=0, lt=2**31)]
"""The number of a process: `pid_t` is a signed number of 32 bits on Linux and macOS."""

Moment = Annotated[AwareDatetime, Field(gt=datetime(1970, 1, 2, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))]
"""A time with its zone, far enough from the ends of the calendar to be compared with others in every zone."""


def _one_line(text: str) -> str:
    return " ".join(text.split())


Line = Annotated[str, AfterValidator(_one_line)]
"""A text whose line breaks are blanks, so that a sentence that quotes it stays one line."""


class UnreadableDocumentError(OrchestratorError):
    """A document is damaged, or has another shape than expected."""


def parse(shape: TypeAdapter[T], text: str | bytes, *, where: str, kind: str, remedy: str) -> T:
    """Return a JSON document as a value of that shape.

    Raises:
        UnreadableDocumentError: it has another shape; names `where` it is, the `kind` of document
            that belongs there, the first fault and the `remedy`.
    """
    try:
        return shape.validate_json(text)
    except ValidationError as error:
        raise UnreadableDocumentError(f"{where} is not {kind} ({first_fault(error)}); {remedy}") from None


def first_fault(error: ValidationError) -> str:
    """Return the first fault with its place, as in `checkpoint.latest: Input should be an object`."""
    fault = error.errors(include_url=False, include_input=False)[0]
    place = _one_line(".".join(str(part) for part in fault["loc"]))[:PLACE_LENGTH]
    return f"{place}: {fault['msg']}" if place else fault["msg"]
