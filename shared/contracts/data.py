"""What the data layer exports."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pulumi import Output

from shared.contracts.contract import Contract
from shared.contracts.output_spec import OutputSpec


@dataclass(frozen=True, kw_only=True)
class DataContract(Contract):
    """Endpoints of PostgreSQL and Redis, and their names for alarms and policies."""

    layer: ClassVar[str] = "data"
    version: ClassVar[int] = 2

    redis_endpoint: Annotated[
        Output[str],
        OutputSpec(
            "Redis's primary node, for reads and writes.", "master.redis-dev.abc123.apne1.cache.amazonaws.com"
        ),
    ]
    redis_reader_endpoint: Annotated[
        Output[str],
        OutputSpec("Redis's replicas, for reads only.", "replica.redis-dev.abc123.apne1.cache.amazonaws.com"),
    ]
    redis_port: Annotated[Output[int], OutputSpec("Redis's port; TLS only.", 6379)]
    redis_replication_group_id: Annotated[Output[str], OutputSpec("Redis's replication group.", "redis-dev")]
    redis_member_ids: Annotated[
        list[Output[str]], OutputSpec("Redis's nodes: a primary and a replica.", ["redis-dev-001", "redis-dev-002"])
    ]
    redis_log_group_names: Annotated[
        list[Output[str]],
        OutputSpec(
            "Redis's log groups.",
            ["/aws/elasticache/redis-dev/engine-log"],
        ),
    ]
    redis_history_hours: Annotated[Output[int], OutputSpec("Hours of transactions that Redis holds.", 24)]
    redis_vcpus: Annotated[Output[int], OutputSpec("vCPUs of a node; the metric to watch depends on them.", 2)]
    rds_endpoint: Annotated[
        Output[str],
        OutputSpec("PostgreSQL as host:port.", "txdb-dev.abc123.ap-northeast-1.rds.amazonaws.com:5432"),
    ]
    rds_address: Annotated[
        Output[str], OutputSpec("PostgreSQL's host.", "txdb-dev.abc123.ap-northeast-1.rds.amazonaws.com")
    ]
    rds_port: Annotated[Output[int], OutputSpec("PostgreSQL's port; TLS only.", 5432)]
    rds_database_name: Annotated[Output[str], OutputSpec("Name of the database.", "transactions")]
    rds_iam_user: Annotated[
        Output[str], OutputSpec("PostgreSQL's user that logs in with an IAM token.", "tx_consumer")
    ]
    rds_identifier: Annotated[Output[str], OutputSpec("Identifier of the instance, for alarms.", "txdb-dev")]
    rds_resource_id: Annotated[
        Output[str],
        OutputSpec("Resource id of the instance, for IAM policies on database logins.", "db-ABCDEFGHIJKLMNOP"),
    ]
    rds_secret_arn: Annotated[
        Output[str],
        OutputSpec(
            "The secret with the master credentials: ours, or the one that RDS manages.",
            "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds-credentials-dev-a1B2c3",
        ),
    ]
    rds_log_group_names: Annotated[
        list[Output[str]],
        OutputSpec(
            "PostgreSQL's log groups.",
            [
                "/aws/rds/instance/txdb-dev/postgresql",
                "/aws/rds/instance/txdb-dev/upgrade",
                "/aws/rds/instance/txdb-dev/iam-db-auth-error",
            ],
        ),
    ]
    rds_vcpus: Annotated[Output[int], OutputSpec("vCPUs of the instance.", 2)]
    rds_memory_mib: Annotated[Output[int], OutputSpec("RAM of the instance in MiB.", 1024)]
    rds_max_connections: Annotated[Output[int], OutputSpec("Maximum number of connections, approximately.", 80)]
    rds_storage_gib: Annotated[
        Output[int], OutputSpec("Initial size of the disk in GiB; it may have grown since.", 20)
    ]
