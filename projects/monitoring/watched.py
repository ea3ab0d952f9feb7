"""What is watched: a table of every alarm, with its threshold, what it means and what to do first.

Metrics and dimensions: the CloudWatch pages in the guides of Kinesis, SQS, RDS, ElastiCache, SNS and PrivateLink.
"""

from functools import partial

import pulumi_aws as aws
from pulumi import Input, Output

from projects.monitoring.alarms import Alarm, Expression, Metric, above, below
from projects.monitoring.config import MonitoringConfig
from shared.contracts import DataContract, NetworkContract, StreamingContract
from shared.stack import StackContext

MIB = 1024**2
GIB = 1024**3

ERRORS, HEARTBEATS = "ApplicationErrors", "ApplicationHeartbeats"
COUNTED = {"application-errors": ("ERROR", ERRORS), "application-heartbeats": ("HEARTBEAT", HEARTBEATS)}
"""By resource type: the word in a line of the applications' logs, and the metric that counts such lines."""

QUARTER_HOUR = (15, 15)
THREE_OF_THREE = (3, 3)
ONCE = (1, 1)
FIVE_MINUTES = 300


def stream_alarms(config: MonitoringConfig, streaming: StreamingContract) -> list[Alarm]:
    def metric(name: str, statistic: str = "Sum") -> Metric:
        return Metric("AWS/Kinesis", name, {"StreamName": streaming.kinesis_stream_name}, statistic)

    age = metric("GetRecords.IteratorAgeMilliseconds", "Maximum")
    half_of_retention = streaming.kinesis_retention_hours.apply(lambda hours: hours * 3_600_000 / 2)
    table = [
        Alarm(
            "stream-iterator-age",
            age,
            above(config.iterator_age_seconds * 1000, (5, 5), missing="missing"),
            "The consumer is behind the stream. Look at its errors in the application log; then at PostgreSQL and"
            " Redis, which it waits for.",
            pages=True,
        ),
        Alarm(
            "stream-iterator-age-critical",
            age,
            above(half_of_retention, (5, 5), missing="missing"),
            "The consumer is half the stream's retention behind: at the whole, transactions are lost. Raise the"
            " retention in streaming now, then mend the consumer.",
            pages=True,
        ),
        Alarm(
            "stream-unread",
            Expression(
                # Who reads nothing sends neither a count nor an age. Where nothing comes in, there is no figure.
                "0.9 * incoming - FILL(read, 0)",
                {"incoming": metric("IncomingRecords"), "read": metric("GetRecords.Records")},
            ),
            above(0, THREE_OF_THREE, seconds=FIVE_MINUTES),
            "For a quarter of an hour less was read from the stream than came in: the consumer stands still, or"
            " leaves out a shard. Look whether it runs, then for its errors in the application log. What nobody reads"
            " within the stream's retention is lost.",
            pages=True,
        ),
        Alarm(
            "stream-write-throttled",
            metric("WriteProvisionedThroughputExceeded"),
            above(0),
            "Producers are refused, at a fraction of the stream's capacity: one partition key gets most records. Find"
            " it in the producers; more shards do not help.",
            pages=True,
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
            pages=True,
        )
        table.append(silent)
    return table


def function_alarms(config: MonitoringConfig) -> list[Alarm]:
    """Of the Lambda function that reads the stream, if one is named. A time-out is one of its errors."""
    if config.consumer_function is None:
        return []
    dimensions = {"FunctionName": config.consumer_function}

    def metric(name: str, statistic: str = "Sum") -> Metric:
        return Metric("AWS/Lambda", name, dimensions, statistic)

    return [
        Alarm(
            "function-errors",
            Expression(
                "100 * errors / invocations", {"errors": metric("Errors"), "invocations": metric("Invocations")}
            ),
            above(1),
            "Over one per cent of the consumer's invocations fail. Read its errors with the saved query 'errors';"
            " one record that cannot be processed holds up its whole shard.",
        ),
        Alarm(
            "function-throttled",
            metric("Throttles"),
            above(0),
            "Lambda does not start the consumer: the account's or the function's concurrency is used up. Reserve"
            " concurrency for it, or find who uses the rest.",
        ),
        Alarm(
            "function-iterator-age",
            # Also with enhanced fan-out, of which the stream's own figures tell nothing.
            metric("IteratorAge", "Maximum"),
            above(config.iterator_age_seconds * 1000, (5, 5), missing="missing"),
            "The function is behind the stream. Look at its errors; then at PostgreSQL and Redis, on which it waits.",
            pages=True,
        ),
        Alarm(
            "function-dead-letters-refused",
            metric("DestinationDeliveryFailures"),
            above(0, ONCE),
            "A batch failed for good and could not be put aside either: it is lost at the stream's retention. Look at"
            " the consumer's rights on the dead-letter queue and on the telemetry key.",
            pages=True,
        ),
    ]


def dead_letter_alarms(streaming: StreamingContract) -> list[Alarm]:
    queue = streaming.dead_letter_queue_arn.apply(lambda arn: arn.rpartition(":")[2])
    return [
        Alarm(
            "dead-letters",
            Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue}, "Maximum"),
            above(0, ONCE),
            "A batch of transactions failed for good and waits in the queue. Read the message: it names shard and"
            " sequence numbers; mend the consumer, then process them again.",
        )
    ]


def database_alarms(config: MonitoringConfig, data: DataContract) -> list[Alarm]:
    def metric(name: str, statistic: str = "Average") -> Metric:
        return Metric("AWS/RDS", name, {"DBInstanceIdentifier": data.rds_identifier}, statistic)

    # A quarter of an hour on the wrong side.
    high = partial(above, points=THREE_OF_THREE, seconds=FIVE_MINUTES, missing="missing")
    low = partial(below, points=THREE_OF_THREE, seconds=FIVE_MINUTES)
    tenth_of_memory = data.rds_memory_mib.apply(lambda mib: mib * MIB / 10)
    part_of_disk = data.rds_storage_gib.apply(lambda gib: gib * GIB * config.free_storage_percent / 100)
    most_connections = data.rds_max_connections.apply(lambda most: most * 0.8)
    return [
        Alarm(
            "database-down",
            metric("CPUUtilization", "SampleCount"),
            below(1, (5, 5), missing="breaching"),
            "PostgreSQL has sent no sign of life for five minutes. Look at its events: a failover mends itself in"
            " two; then at storage and maintenance.",
            pages=True,
        ),
        Alarm(
            "database-cpu",
            metric("CPUUtilization"),
            high(80),
            "PostgreSQL's CPU is busy. Look at top SQL in Database Insights.",
        ),
        Alarm(
            "database-cpu-credits",
            metric("CPUCreditBalance", "Minimum"),
            # Of the 288 that the smallest class can save (EC2 User Guide, "CPU credits"); other classes send none.
            low(30, missing="notBreaching"),
            "The burstable class is nearly out of CPU credits: slow soon, or billed for more. A new instance begins"
            " with none: wait three hours. Otherwise take a larger class.",
        ),
        Alarm(
            "database-memory",
            metric("FreeableMemory"),
            low(tenth_of_memory, missing="missing"),
            "Less than a tenth of PostgreSQL's memory is free. Look for many connections or large sorts.",
        ),
        Alarm(
            "database-storage",
            metric("FreeStorageSpace", "Minimum"),
            low(part_of_disk, missing="missing"),
            "PostgreSQL's disk is nearly full though RDS should have grown it, and a full disk stops all writes. The"
            " instance's events say why: raise postgresMaxStorageGib in data if it is reached; after a growth RDS"
            " waits six hours, so until then drop old partitions.",
            pages=True,
        ),
        Alarm(
            "database-connections",
            metric("DatabaseConnections", "Maximum"),
            high(most_connections),
            "Four fifths of PostgreSQL's connections are in use. Look for a client that does not pool.",
        ),
        Alarm(
            "database-read-latency",
            metric("ReadLatency"),
            high(0.02),
            "Reads take over 20 ms. Look at IOPS and at top SQL in Database Insights.",
        ),
        Alarm(
            "database-write-latency",
            metric("WriteLatency"),
            high(0.02),
            "Writes take over 20 ms. Look at IOPS and checkpoints.",
        ),
        Alarm(
            "database-disk-queue",
            metric("DiskQueueDepth"),
            high(10),
            "Requests wait for the disk. Look at IOPS and at top SQL in Database Insights.",
        ),
        Alarm(
            "database-swap",
            metric("SwapUsage"),
            high(256 * MIB),
            "PostgreSQL swaps. Look for many connections; then take a class with more memory.",
        ),
        Alarm(
            "database-io-balance",
            metric("EBSIOBalance%", "Minimum"),
            low(20, missing="notBreaching"),
            "The burst of disk operations is nearly used up. Take a larger class if it stays.",
        ),
        Alarm(
            "database-byte-balance",
            metric("EBSByteBalance%", "Minimum"),
            low(20, missing="notBreaching"),
            "The burst of disk throughput is nearly used up. Take a larger class if it stays.",
        ),
        Alarm(
            "database-transaction-ids",
            metric("MaximumUsedTransactionIDs", "Maximum"),
            high(1_000_000_000),  # at about two thousand million PostgreSQL stops taking writes
            "Autovacuum lags behind transaction ids. Look for old transactions and unused replication slots.",
        ),
        Alarm(
            "database-load",
            metric("DBLoad"),
            high(data.rds_vcpus.apply(float)),
            "More sessions work or wait than there are vCPUs. Look at waits in Database Insights.",
        ),
    ]


def cache_alarms(data: DataContract) -> list[Alarm]:
    return [
        alarm for number, node in enumerate(data.redis_member_ids, 1) for alarm in _node_alarms(data, number, node)
    ]


def _node_alarms(data: DataContract, number: int, node: Output[str]) -> list[Alarm]:
    def metric(name: Input[str], statistic: str) -> Metric:
        # "0001" is the only node of each member of a replication group.
        return Metric("AWS/ElastiCache", name, {"CacheClusterId": node, "CacheNodeId": "0001"}, statistic)

    # One core does the work: on two vCPUs the host's figure shows it best, on more the engine's own
    # (ElastiCache User Guide, "Which metrics should I monitor?").
    two_vcpus = data.redis_vcpus.apply(lambda vcpus: vcpus <= 2)  # noqa: PLR2004 (said above)
    name = f"cache-{number}"
    return [
        Alarm(
            f"{name}-down",
            metric("CPUUtilization", "SampleCount"),
            # Longer than ElastiCache takes to put another node in its place.
            below(1, QUARTER_HOUR, missing="breaching"),
            "A node of Redis has sent no sign of life for a quarter of an hour, and no other has taken its place."
            " Look at the cluster's events; if the other node goes too, the history is lost.",
            pages=True,
        ),
        Alarm(
            f"{name}-memory",
            metric("DatabaseMemoryUsagePercentage", "Maximum"),
            above(80, missing="missing"),
            "Redis's memory is four fifths full; at the end the history gets shorter. Check that every key has an"
            " expiry; then take a larger redisNodeType.",
        ),
        Alarm(
            f"{name}-evictions",
            metric("Evictions", "Sum"),
            above(0, ONCE),
            "Redis drops transactions before their time: the history is shorter than promised. Take a larger"
            " redisNodeType.",
            pages=True,
        ),
        Alarm(
            f"{name}-cpu",
            metric(two_vcpus.apply(lambda two: "CPUUtilization" if two else "EngineCPUUtilization"), "Average"),
            above(
                two_vcpus.apply(lambda two: 45.0 if two else 90.0),
                THREE_OF_THREE,
                seconds=FIVE_MINUTES,
                missing="missing",
            ),
            "Redis's one thread is busy. Look for slow commands in the slow log; then take larger nodes.",
        ),
        Alarm(
            f"{name}-replication-lag",
            metric("ReplicationLag", "Maximum"),
            above(5, (5, 5)),
            "The replica is over five seconds behind: a failover would lose that much. Look at writes and network."
            " Only a replica sends this metric.",
        ),
        Alarm(
            f"{name}-connections",
            metric("CurrConnections", "Maximum"),
            above(1000, missing="missing"),
            "Over a thousand connections. Look for a client that does not pool.",
        ),
        Alarm(
            f"{name}-swap",
            metric("SwapUsage", "Maximum"),
            above(50 * MIB, missing="missing"),
            "Redis swaps and will be slow. Take a larger redisNodeType.",
        ),
        *(
            Alarm(
                f"{name}-bandwidth-{way}",
                metric(f"NetworkBandwidth{way.capitalize()}AllowanceExceeded", "Sum"),
                above(0),
                f"AWS drops packets going {way}: the node's burst of bandwidth is used up. Take larger nodes if it"
                " stays.",
            )
            for way in ("in", "out")
        ),
        Alarm(
            f"{name}-refused-logins",
            metric("AuthenticationFailures", "Sum"),
            above(0, ONCE, seconds=FIVE_MINUTES),
            "Somebody came to Redis with a wrong token. After a rotation restart the consumers; otherwise find the"
            " address in the flow logs.",
        ),
    ]


def network_alarms(network: NetworkContract) -> list[Alarm]:
    # A Metrics Insights query, since endpoints come and go with network's config.
    dropped = Output.format(
        """SELECT SUM(PacketsDropped) FROM "AWS/PrivateLinkEndpoints" WHERE "VPC Id" = '{0}'""", network.vpc_id
    )
    return [
        Alarm(
            "endpoint-packets-dropped",
            Expression(dropped, {}),
            above(0),
            "A VPC endpoint drops packets: calls to AWS time out. Look at its zones and at AWS Health.",
        )
    ]


def own_alarms(stack: StackContext, config: MonitoringConfig, topic_name: Output[str]) -> list[Alarm]:
    """Of what this layer makes: what the applications log, and the telling itself."""

    def counted(name: str) -> Metric:
        return Metric(log_namespace(stack), name, {}, "Sum")

    table = [
        Alarm(
            "application-errors",
            counted(ERRORS),
            above(0, ONCE, seconds=FIVE_MINUTES),
            "An application logged an ERROR. Read it with the saved query 'errors' of Logs Insights.",
        ),
        Alarm(
            "notifications-failed",
            Metric("AWS/SNS", "NumberOfNotificationsFailed", {"TopicName": topic_name}, "Sum"),
            above(0, ONCE),
            "Somebody was not told of an alarm. Look at the topic's subscriptions: an address is gone, or an endpoint"
            " refuses.",
        ),
    ]
    if config.expects_traffic:
        silent = Alarm(
            "application-silent",
            counted(HEARTBEATS),
            below(1, QUARTER_HOUR, missing="breaching"),
            "No application has logged a HEARTBEAT for a quarter of an hour: none runs, or none can log, and then no"
            " ERROR is heard of either. Look whether they run, then at their roles and the VPC endpoint of logs.",
        )
        table.append(silent)
    return table


def log_namespace(stack: StackContext) -> str:
    """Of the metrics that are made from the applications' logs."""
    return f"TransactionMonitoring/{stack.suffix}"


def count_lines(stack: StackContext, log_group_name: Output[str]) -> None:
    """Make a metric of the applications' log lines that hold a word."""
    for resource_type, (word, metric) in COUNTED.items():
        aws.cloudwatch.LogMetricFilter(
            stack.names.logical(resource_type),
            log_group_name=log_group_name,
            pattern=word,
            metric_transformation={
                "name": metric,
                "namespace": log_namespace(stack),
                "value": "1",
                "default_value": "0",
            },
            opts=stack.opts,
        )
