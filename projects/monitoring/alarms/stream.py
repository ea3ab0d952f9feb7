"""Alarms on the Kinesis stream (metrics: the CloudWatch page of the Kinesis Data Streams Developer Guide)."""

from pulumi import Output

from projects.monitoring.alarms.model import (
    FIVE_MINUTES,
    FIVE_OF_FIVE,
    QUARTER_HOUR,
    THREE_OF_THREE,
    Alarm,
    Expression,
    Metric,
    above,
    below,
)
from projects.monitoring.alarms.processing import MORE_TIME, critical_lag_seconds
from projects.monitoring.config import MonitoringConfig
from shared.contracts import ProcessingContract, StreamingContract


def stream_alarms(
    config: MonitoringConfig, streaming: StreamingContract, processing: ProcessingContract
) -> list[Alarm]:
    """Describe the alarms on the stream, its producers and how fast it is read."""

    def metric(name: str, statistic: str = "Sum") -> Metric:
        return Metric("AWS/Kinesis", name, {"StreamName": streaming.kinesis_stream_name}, statistic)

    age = metric("GetRecords.IteratorAgeMilliseconds", "Maximum")
    table = [
        Alarm(
            "stream-iterator-age",
            age,
            above(config.iterator_age_seconds * 1000, FIVE_OF_FIVE, missing="missing"),
            "The consumer is behind the stream. Read its errors with the saved query 'errors'; then look at"
            " PostgreSQL and Redis, which it waits for.",
            audience="consumer",
        ),
        Alarm(
            "stream-iterator-age-critical",
            age,
            above(critical_lag_seconds(processing).apply(lambda lag: lag * 1000), FIVE_OF_FIVE, missing="missing"),
            f"The consumer is behind by four fifths of the age at which Lambda discards records. {MORE_TIME} Then fix"
            " the consumer.",
            audience="pager",
        ),
        Alarm(
            "stream-unread",
            Expression(
                # A consumer that stands still sends neither a count nor an age, hence FILL. Without incoming
                # records the expression has no value.
                "0.9 * incoming - FILL(read, 0)",
                {"incoming": metric("IncomingRecords"), "read": metric("GetRecords.Records")},
            ),
            above(0, THREE_OF_THREE, seconds=FIVE_MINUTES),
            "For a quarter of an hour less was read from the stream than came in: the consumer stands still, or"
            " leaves out a shard. Look whether it runs, then read its errors with the saved query 'errors'. What"
            " nobody reads within the stream's retention is lost.",
            audience="consumer",
        ),
        Alarm(
            "stream-write-throttled",
            metric("WriteProvisionedThroughputExceeded"),
            above(0),
            "Producers are refused, at a fraction of the stream's capacity: one partition key gets most records. Find"
            " it in the producers; more shards do not help.",
            audience="ingest",
        ),
        Alarm(
            "stream-read-throttled",
            metric("ReadProvisionedThroughputExceeded"),
            above(0),
            "Too many readers: a shard takes five reads a second. Find the new one, or give it enhanced fan-out.",
        ),
        Alarm(
            "stream-failed-records",
            metric("PutRecords.FailedRecords"),
            above(0),
            "Parts of batches are refused, which is no error to the SDK. Check that producers send again what"
            " FailedRecordCount tells them.",
        ),
        Alarm(
            "stream-shard-use",
            Expression(
                # A shard takes 1 MiB and 1,000 records a second (Kinesis Developer Guide, "Quotas and limits").
                Output.format(
                    "100 * MAX([bytes / (60 * 1048576 * {0}), records / (60 * 1000 * {0})])",
                    streaming.kinesis_shard_count,
                ),
                {"bytes": metric("IncomingBytes"), "records": metric("IncomingRecords")},
            ),
            above(70, QUARTER_HOUR),
            "The stream is 70 % full in bytes or records. Raise the shard count in streaming while there is room.",
        ),
    ]
    if config.expects_traffic:
        silent = Alarm(
            "stream-silent",
            metric("IncomingRecords"),
            below(1, QUARTER_HOUR, missing="breaching"),
            "No transaction for a quarter of an hour: the shop or its producers are down, or they no longer reach"
            " Kinesis. Look at the shop first, then at the producers' errors.",
            audience="ingest",
        )
        table.append(silent)
    return table
