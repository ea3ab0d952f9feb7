"""Completes Lambda's event source mappings for Kinesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions.call import Completion, Refused

if TYPE_CHECKING:
    from tools.localcloud.completions.call import Call

FOR_KINESIS: Final[dict[str, Any]] = {
    "BatchSize": 100,
    "BisectBatchOnFunctionError": False,
    "MaximumBatchingWindowInSeconds": 0,
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "ParallelizationFactor": 1,
}
"""What is not given ("CreateEventSourceMapping", Lambda API Reference)."""
GIVEN: Final = ("DestinationConfig", "MetricsConfig")
"""Arguments that MiniStack drops, or in which it keeps what was removed."""


def _keep(call: Call, answer: dict[str, Any]) -> dict[str, Any]:
    given = {name: call.request[name] for name in GIVEN if name in call.request}
    call.store("_esms")[answer["UUID"]].update(given)
    return answer | given


async def _create(call: Call) -> dict[str, Any]:
    given = call.request
    source, function = given.get("EventSourceArn", ""), given["FunctionName"].rpartition(":function:")[2]
    for other in call.store("_esms").values():
        if (other["EventSourceArn"], other["FunctionName"]) == (source, function):
            raise Refused(
                "ResourceConflictException",
                f"The event source arn ({source}) and function ({function}) provided mapping already exists. "
                f"Please update or delete the existing mapping with UUID {other['UUID']}",
            )
    return _keep(call, await call.proceed(**(FOR_KINESIS | given if ":kinesis:" in source else {})))


async def _update(call: Call) -> dict[str, Any]:
    return _keep(call, await call.proceed())


COMPLETIONS: Final = (
    Completion(
        "lambda",
        "the metrics and the defaults of an event source mapping, and its refusal of a second one",
        {"CreateEventSourceMapping": _create, "UpdateEventSourceMapping": _update},
    ),
)
