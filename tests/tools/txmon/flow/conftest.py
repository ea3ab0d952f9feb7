"""A function of processing that is answered by a test."""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tools.txmon.flow.functions import Function


class FakeFunction(Function):
    """A function with scripted answers, which notes the events that it gets."""

    events: list[dict[str, Any]]


@pytest.fixture
def function() -> Callable[[Callable[[dict[str, Any]], Any]], FakeFunction]:
    """Make a function of a callable from event to answer; an exception becomes Lambda's FunctionError."""

    def make(answer: Callable[[dict[str, Any]], Any]) -> FakeFunction:
        events: list[dict[str, Any]] = []

        def invoke(*, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 (boto3's names)
            events.append(json.loads(Payload))
            try:
                return {"Payload": io.BytesIO(json.dumps(answer(events[-1])).encode())}
            except RuntimeError as error:
                failure = {"errorMessage": str(error), "errorType": "RuntimeError"}
                return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(failure).encode())}

        made = FakeFunction("arn:aws:lambda:r:1:function:it", invoke, "dev", "/logs")
        object.__setattr__(made, "events", events)
        return made

    return make
