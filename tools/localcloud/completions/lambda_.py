"""Completes Lambda's event source mappings for Kinesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions.call import Completion, Refused
from tools.localcloud.completions.roles import READ, role_may

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


def _check_role(call: Call, source: str, destination: str) -> None:
    """Refuse a mapping whose function's role may not read the stream or tell the destination, as AWS does."""
    found = call.store("_functions").get(call.request["FunctionName"].rpartition(":function:")[2])
    if found is None:
        return  # which MiniStack refuses
    role = found["config"]["Role"]
    lacking = [action.partition(":")[2] for action in READ if not role_may(role, action, source)]
    if lacking:
        raise Refused(
            "InvalidParameterValueException",
            f"Cannot access stream {source}. Please ensure the role can perform the GetRecords, GetShardIterator, "
            f"DescribeStreamSummary and ListShards actions on your stream in IAM; it lacks {', '.join(lacking)}.",
        )
    if destination and not role_may(role, "sqs:SendMessage", destination):
        raise Refused(
            "InvalidParameterValueException",
            f"The function execution role does not have permissions to call SendMessage on SQS for {destination}",
        )


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
    if ":kinesis:" not in source:
        return await call.proceed()
    _check_role(call, source, given.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", ""))
    return _keep(call, await call.proceed(**FOR_KINESIS | given))


async def _update(call: Call) -> dict[str, Any]:
    return _keep(call, await call.proceed())


COMPLETIONS: Final = (
    Completion(
        "lambda",
        "the metrics and the defaults of an event source mapping, and what AWS refuses",
        {"CreateEventSourceMapping": _create, "UpdateEventSourceMapping": _update},
    ),
    Completion(
        "lambda",
        "event source mappings of Kinesis, of which MiniStack's own lose data",
        lacks={
            "lambda.EventSourceMapping: parallelizationFactor": "one batch of a shard is handed on at a time",
        },
    ),
    Completion("lambda", "functions that see only their code, Lambda's packages and their environment"),
    Completion("lambda", "the metrics that functions write to their logs"),
)
