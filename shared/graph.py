"""The layers and which layers each reads.

This is the only definition of the graph: the orchestrator, the contracts, CI and the READMEs use it.
"""

from dataclasses import dataclass

PRODUCT = "txmon"


@dataclass(frozen=True, kw_only=True)
class LayerInfo:
    """What is known of a layer without running its program."""

    owner: str
    summary: str
    reads: frozenset[str] = frozenset()
    state: str = "nothing"


LAYERS: dict[str, LayerInfo] = {
    "network": LayerInfo(
        owner="network-team",
        summary="VPC, private subnets in three zones, endpoints, security groups",
    ),
    "security": LayerInfo(
        owner="security-team",
        summary="KMS keys, IAM roles, Secrets Manager secrets",
        state="keys and secrets",
    ),
    "streaming": LayerInfo(
        owner="streaming-team",
        summary="Kinesis stream, dead-letter queue and the grants on them",
        reads=frozenset({"security"}),
        state="the transactions of the stream's retention",
    ),
    "data": LayerInfo(
        owner="data-team",
        summary="RDS PostgreSQL and ElastiCache Redis and the grants on them",
        reads=frozenset({"network", "security"}),
        state="every transaction",
    ),
    "processing": LayerInfo(
        owner="processing-team",
        summary="Lambda functions that store transactions, schema migrations, stream mapping",
        reads=frozenset({"network", "security", "streaming", "data"}),
    ),
    "monitoring": LayerInfo(
        owner="monitoring-team",
        summary="log groups, flow logs, alarms, dashboard, alerts topic",
        reads=frozenset({"network", "security", "streaming", "data", "processing"}),
    ),
}

PLANNED_OUTPUTS = "TXMON_PLANNED_OUTPUTS"
"""Environment variable that gives a preview the planned outputs of the layers it reads: layer -> name -> value, as
JSON. A preview without it reads the deployed outputs."""

APPLICATION_OUTPUTS: dict[str, str] = {
    "region": "network",
    "environment_suffix": "network",
    "vpc_id": "network",
    "kinesis_stream_name": "streaming",
    "kinesis_stream_arn": "streaming",
    "kinesis_role_arn": "security",
    "redis_endpoint": "data",
    "redis_port": "data",
    "rds_endpoint": "data",
    "rds_database_name": "data",
    "kms_key_id": "security",
    "kms_key_arn": "security",
    "log_group_name": "monitoring",
}
"""The outputs that applications use, under the names of the former single-stack program, and the layer of each."""


def project(layer: str) -> str:
    """Return the Pulumi project of a layer: `txmon-network` for `network`."""
    return f"{PRODUCT}-{layer}"
