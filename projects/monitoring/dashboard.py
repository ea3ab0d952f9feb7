"""The dashboard, from top to bottom in the order that a transaction takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi_aws as aws
from pulumi import Input, Output

from shared.contracts import DataContract, NetworkContract, ProcessingContract, StreamingContract
from shared.stack import StackContext

COLUMNS = 24
"""Width of a dashboard (CloudWatch API reference, "Dashboard body structure and syntax")."""

HEIGHT = 6

Widget = Mapping[str, Any]

NOTE = """### Cost and capacity
The cost of a month is in Cost Explorer under the tags `Project` and `Environment`; the README of the data layer \
says how many hours of history the cache holds and how long the disk lasts.
"""


def create_dashboard(
    stack: StackContext,
    network: NetworkContract,
    streaming: StreamingContract,
    data: DataContract,
    *,
    processing: ProcessingContract,
    alarm_arns: Sequence[Input[str]],
) -> aws.cloudwatch.Dashboard:
    """Create the dashboard: alarm states first, then a row of graphs for each part of the system."""
    rows = [
        _headline(streaming, alarm_arns),
        _stream(streaming),
        _processing(stack, processing),
        _cache(data),
        _database(data),
        _surroundings(network, streaming),
    ]
    return aws.cloudwatch.Dashboard(
        stack.names.logical("dashboard"),
        dashboard_name=stack.names.physical("dashboard"),
        dashboard_body=Output.json_dumps(
            {
                "widgets": [
                    widget for index, row in enumerate(rows) for widget in _placed(row, index * HEIGHT, stack.region)
                ]
            }
        ),
        opts=stack.opts,
    )


def _placed(row: Sequence[Widget], y: int, region: str) -> list[Widget]:
    """Return the widgets of a row side by side, each with an equal share of the width."""
    width = COLUMNS // len(row)
    return [
        {
            **widget,
            "x": index * width,
            "y": y,
            "width": width,
            "height": HEIGHT,
            # A graph needs a region; an alarm's ARN contains it.
            "properties": widget["properties"] | ({"region": region} if widget["type"] == "metric" else {}),
        }
        for index, widget in enumerate(row)
    ]


def _graph(title: str, metrics: Sequence[Sequence[Any]], stat: str, *, period: int = 60) -> Widget:
    return {
        "type": "metric",
        "properties": {"title": title, "view": "timeSeries", "stat": stat, "period": period, "metrics": metrics},
    }


def _headline(streaming: StreamingContract, alarm_arns: Sequence[Input[str]]) -> list[Widget]:
    stream = ["StreamName", streaming.kinesis_stream_name]
    return [
        {"type": "alarm", "properties": {"title": "Alarms", "alarms": list(alarm_arns)}},
        _graph(
            "Transactions a minute, in and read",
            [["AWS/Kinesis", name, *stream] for name in ("IncomingRecords", "GetRecords.Records")],
            "Sum",
        ),
        _graph(
            "How far the consumer is behind (ms)",
            [["AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", *stream]],
            "Maximum",
        ),
    ]


def _stream(streaming: StreamingContract) -> list[Widget]:
    def graph(title: str, names: Sequence[str], stat: str = "Sum") -> Widget:
        return _graph(
            title, [["AWS/Kinesis", name, "StreamName", streaming.kinesis_stream_name] for name in names], stat
        )

    return [
        graph("Stream: bytes in and out", ["IncomingBytes", "GetRecords.Bytes"]),
        graph(
            "Stream: refused",
            [
                "WriteProvisionedThroughputExceeded",
                "ReadProvisionedThroughputExceeded",
                "PutRecords.FailedRecords",
            ],
        ),
        graph("Stream: latency of puts (ms)", ["PutRecord.Latency", "PutRecords.Latency"], "Average"),
    ]


def _processing(stack: StackContext, processing: ProcessingContract) -> list[Widget]:
    def transactions(title: str, names: Sequence[str], stat: str) -> Widget:
        metrics = [["TransactionMonitoring", name, "Environment", stack.suffix] for name in names]
        return _graph(title, metrics, stat)

    def function(title: str, names: Sequence[str], stat: str) -> Widget:
        metrics = [["AWS/Lambda", name, "FunctionName", processing.consumer_function_name] for name in names]
        return _graph(title, metrics, stat)

    return [
        transactions("Processing: transactions", ["Stored", "Repeated", "Rejected", "Conflicting"], "Sum"),
        transactions("Processing: behind, and waiting for a store (s)", ["LagSeconds", "Waiting"], "Maximum"),
        function("Processing: errors and throttles", ["Errors", "Throttles"], "Sum"),
        function("Processing: duration of a batch (ms)", ["Duration"], "Maximum"),
    ]


def _cache(data: DataContract) -> list[Widget]:
    def graph(title: str, names: Sequence[str], stat: str) -> Widget:
        return _graph(
            title,
            [
                ["AWS/ElastiCache", name, "CacheClusterId", member, "CacheNodeId", "0001"]
                for name in names
                for member in data.redis_member_ids
            ],
            stat,
        )

    return [
        graph("Cache: memory (%)", ["DatabaseMemoryUsagePercentage"], "Maximum"),
        graph("Cache: evictions", ["Evictions"], "Sum"),
        graph("Cache: hits and misses", ["CacheHits", "CacheMisses"], "Sum"),
        graph("Cache: connections", ["CurrConnections"], "Maximum"),
    ]


def _database(data: DataContract) -> list[Widget]:
    def graph(title: str, names: Sequence[str], stat: str = "Average") -> Widget:
        return _graph(
            title,
            [["AWS/RDS", name, "DBInstanceIdentifier", data.rds_identifier] for name in names],
            stat,
            period=300,
        )

    return [
        graph("Database: CPU (%)", ["CPUUtilization"]),
        graph("Database: load (sessions)", ["DBLoad"]),
        graph("Database: connections", ["DatabaseConnections"], "Maximum"),
        graph("Database: latency (s)", ["ReadLatency", "WriteLatency"]),
        graph("Database: free storage (bytes)", ["FreeStorageSpace"], "Minimum"),
    ]


def _surroundings(network: NetworkContract, streaming: StreamingContract) -> list[Widget]:
    queue = streaming.dead_letter_queue_arn.apply(lambda arn: arn.rpartition(":")[2])
    dropped = Output.concat(
        """SELECT SUM(PacketsDropped) FROM "AWS/PrivateLinkEndpoints" WHERE "VPC Id" = '""",
        network.vpc_id,
        """' GROUP BY "Service Name" """,
    )
    return [
        _graph("Endpoints: packets dropped", [[{"expression": dropped}]], "Sum"),
        _graph(
            "Dead letters",
            [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]],
            "Maximum",
        ),
        {"type": "text", "properties": {"markdown": NOTE}},
    ]
