"""The layers of txmon and what each reads.

Written here once: the runner, the contracts' tests, CI and the README's table ask this module.
"""

from dataclasses import dataclass
from graphlib import TopologicalSorter

PRODUCT = "txmon"


@dataclass(frozen=True, kw_only=True)
class LayerInfo:
    """What the repository knows of a layer without running it."""

    owner: str
    summary: str
    reads: frozenset[str] = frozenset()
    state: str = "nothing that hurts to lose"


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
    "monitoring": LayerInfo(
        owner="monitoring-team",
        summary="log groups, flow logs, alarms, dashboard, alerts topic",
        reads=frozenset({"network", "security", "streaming", "data"}),
    ),
}

PLANNED_OUTPUTS = "TXMON_PLANNED_OUTPUTS"
"""Variable in which a preview finds the outputs that the previews of the layers it reads have planned: layer -> name
-> value, as JSON. Without it, a preview reads what is deployed."""

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
"""The outputs that applications of the single-stack program use, under the same names, and the layer of each."""


def project(layer: str) -> str:
    """The Pulumi project of a layer: `txmon-network` for `network`."""
    return f"{PRODUCT}-{layer}"


def sorter() -> TopologicalSorter[str]:
    """A fresh sorter over the graph: a layer becomes ready once all that it reads is done."""
    return TopologicalSorter({name: info.reads for name, info in LAYERS.items()})


def deploy_order() -> list[str]:
    """Every layer after those it reads. Reversed, it is the order to destroy in."""
    return list(sorter().static_order())


def readers(layer: str) -> list[str]:
    """The layers that read `layer` directly, in the order they deploy in."""
    return [name for name in deploy_order() if layer in LAYERS[name].reads]


def dependents(layer: str) -> list[str]:
    """The layers that read `layer`, directly or through others, in the order they deploy in."""
    found = {layer}
    for name in deploy_order():
        if LAYERS[name].reads & found:
            found.add(name)
    return [name for name in deploy_order() if name in found - {layer}]
