"""Alarms on the Redis nodes (metrics: the CloudWatch page of the ElastiCache User Guide)."""

from pulumi import Input, Output

from projects.monitoring.alarms.model import (
    FIVE_MINUTES,
    FIVE_OF_FIVE,
    ONCE,
    QUARTER_HOUR,
    THREE_OF_THREE,
    Alarm,
    Metric,
    above,
    below,
)
from shared.contracts import DataContract

MIB = 1024**2


def cache_alarms(data: DataContract) -> list[Alarm]:
    """Describe the alarms on every node."""
    return [
        alarm for number, node in enumerate(data.redis_member_ids, 1) for alarm in _node_alarms(data, number, node)
    ]


def _node_alarms(data: DataContract, number: int, node: Output[str]) -> list[Alarm]:
    def metric(name: Input[str], statistic: str) -> Metric:
        # A member cluster of a replication group has one node, "0001".
        return Metric("AWS/ElastiCache", name, {"CacheClusterId": node, "CacheNodeId": "0001"}, statistic)

    # Redis runs on one core: up to two vCPUs the host's CPU shows its load, above that only the engine's own metric
    # (ElastiCache User Guide, "Which metrics should I monitor?").
    two_vcpus = data.redis_vcpus.apply(lambda vcpus: vcpus <= 2)  # noqa: PLR2004 (the comment above)
    name = f"cache-{number}"
    return [
        Alarm(
            f"{name}-down",
            metric("CPUUtilization", "SampleCount"),
            # ElastiCache replaces a failed node in less time.
            below(1, QUARTER_HOUR, missing="breaching"),
            "A node of Redis has sent no sign of life for a quarter of an hour, and no other has taken its place."
            " Look at the cluster's events; if the other node goes too, the history is lost.",
            audience="cache",
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
            audience="pager",
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
            "Redis's one thread is busy. See which commands take its time (metrics StringBasedCmdsLatency and"
            " SortedSetBasedCmdsLatency); then take larger nodes.",
        ),
        Alarm(
            f"{name}-replication-lag",
            metric("ReplicationLag", "Maximum"),
            above(5, FIVE_OF_FIVE),
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
            "Somebody came to Redis with a wrong token. Just after a rotation it is a consumer, which then takes the"
            " new one; otherwise find the address in the flow logs.",
        ),
    ]
