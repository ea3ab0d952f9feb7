"""Completes Kinesis."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions.call import Completion, Refused, ministack
from tools.localcloud.mapping import sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tools.localcloud.completions.call import Answer, Call, Run

COUNTER_DIGITS: Final = 10
"""The digits after the milliseconds in a sequence number of MiniStack's."""


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


async def _reshard(call: Call) -> dict[str, Any]:
    """Give the stream new shards with all its records, which MiniStack drops.

    Mappings read the new shards from where they were in the old ones at least, so that some records come again.
    """
    stream = call.store("_streams").get(call.request.get("StreamName"))
    before: dict[str, Any] = dict(stream["shards"]) if stream else {}
    answer = await call.proceed()
    if stream is None:
        return answer
    kinesis, mappings = ministack("services.kinesis"), ministack("services.lambda_svc")
    first = 1 + max(int(shard.rpartition("-")[2]) for shard in before)
    fresh = {f"shardId-{first + number:012d}": shard for number, shard in enumerate(stream["shards"].values())}
    for mapping in mappings._esms.values():
        positions = mappings._kinesis_positions.get(mapping["UUID"])
        if positions and mapping["EventSourceArn"] == stream["StreamARN"]:
            mappings._kinesis_positions[mapping["UUID"]] = dict.fromkeys(fresh, min(positions.values()))
    stream["shards"] = fresh
    for record in sorted((each for shard in before.values() for each in shard["records"]), key=sequence):
        shard = kinesis._route_to_shard(kinesis._partition_key_to_hash(record["PartitionKey"]), stream)
        fresh[shard]["records"].append(record)
    return answer


def note_accepted(note: Callable[[Any], None]) -> None:
    """Have the records noted that a stream accepts, before the producer is answered."""
    kinesis = ministack("services.kinesis")

    def noted(put: Callable[[dict[str, Any]], Answer]) -> Callable[[dict[str, Any]], Answer]:
        def run(request: dict[str, Any]) -> Answer:
            answer = put(request)
            if answer[0] == HTTPStatus.OK:
                _name, stream = kinesis._resolve_stream(request)
                said = json.loads(answer[2])
                places = said.get("Records", [said])
                note([stream["StreamARN"], [*zip(request.get("Records", [request]), places, strict=True)]])
            return answer

        return run

    kinesis._put_record, kinesis._put_records = noted(kinesis._put_record), noted(kinesis._put_records)


def accept_again(noted: Iterable[Any]) -> None:
    """Give the streams the noted records that they lack, unless a stream was deleted since."""
    kinesis = ministack("services.kinesis")
    streams = {stream["StreamARN"]: stream for _key, stream in kinesis._streams.all_items()}
    known = {
        arn: {record["SequenceNumber"] for shard in stream["shards"].values() for record in shard["records"]}
        for arn, stream in streams.items()
    }
    for arn, records in noted:
        shards = streams[arn]["shards"] if arn in streams else {}
        for given, place in records:
            number, shard = place["SequenceNumber"], shards.get(place["ShardId"])
            if shard and number > shard["starting_sequence_number"] and number not in known[arn]:
                shard["records"].append(
                    {
                        "SequenceNumber": number,
                        "ApproximateArrivalTimestamp": int(number[:-COUNTER_DIGITS]) / 1000,
                        "Data": given.get("Data", ""),
                        "PartitionKey": given["PartitionKey"],
                    }
                )


COMPLETIONS: Final = (
    Completion("kinesis", "the records of a stream whose number of shards changes", {"UpdateShardCount": _reshard}),
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
