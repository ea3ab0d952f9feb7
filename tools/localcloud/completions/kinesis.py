"""Completes Kinesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions.call import Completion, Refused

if TYPE_CHECKING:
    from tools.localcloud.completions.call import Call, Run


def _shown(key: str) -> Run:
    async def show(call: Call) -> dict[str, Any]:
        answer = await call.proceed()
        stream = call.store("_streams").get(answer[key]["StreamName"], {})
        answer[key]["EnhancedMonitoring"] = [{"ShardLevelMetrics": sorted(stream.get("ShardLevelMetrics", ()))}]
        return answer

    return show


def _tags(call: Call) -> dict[str, str]:
    """Return the tags in MiniStack's record of the stream that a request names, by its ARN."""
    name = call.request["ResourceARN"].rpartition("/")[2]
    stream: dict[str, Any] | None = call.store("_streams").get(name)
    if stream is None:
        raise Refused("ResourceNotFoundException", f"Stream {name} not found")
    tags: dict[str, str] = stream["tags"]
    return tags


async def _create(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    call.store("_streams")[call.request["StreamName"]]["tags"].update(call.request.get("Tags") or {})
    return answer


async def _tag(call: Call) -> dict[str, Any]:
    _tags(call).update(call.request["Tags"])
    return {}


async def _untag(call: Call) -> dict[str, Any]:
    for key in call.request["TagKeys"]:
        _tags(call).pop(key, None)
    return {}


async def _list_tags(call: Call) -> dict[str, Any]:
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(_tags(call).items())]}


COMPLETIONS: Final = (
    Completion(
        "kinesis",
        "the metrics of a stream's shards",
        {
            "DescribeStream": _shown("StreamDescription"),
            "DescribeStreamSummary": _shown("StreamDescriptionSummary"),
        },
    ),
    Completion(
        "kinesis",
        "the first tags of a stream, and tags by its ARN",
        {
            "CreateStream": _create,
            "TagResource": _tag,
            "UntagResource": _untag,
            "ListTagsForResource": _list_tags,
        },
    ),
)
