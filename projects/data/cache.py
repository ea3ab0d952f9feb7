"""Redis, for the last day's transactions."""

import pulumi
import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from projects.data.config import DataConfig
from projects.data.logs import create_log_groups
from projects.data.placement import placement
from shared.contracts import DataContract, NetworkContract, SecurityContract
from shared.secret_stages import CURRENT, stage_of
from shared.secret_values import secret_string
from shared.stack import StackContext

NODES = len(DataContract.example()["redis_member_ids"])
"""A primary and a replica. The contract fixes the number, because readers loop over the nodes."""

PORT = 6379

FAMILY, VERSION = "redis7", "7.1"
"""The last version of Redis OSS on ElastiCache. It is no setting: AWS upgrades older versions to it, and a downgrade
would replace the cluster with an empty one."""

LOGS = ("engine-log",)
"""Not the slow log: it has the arguments of commands, which are transactions (Redis documentation, "SLOWLOG")."""


class Redis(pulumi.ComponentResource):
    """A replication group in the private subnets, with TLS, an AUTH token and failover to another zone."""

    group: aws.elasticache.ReplicationGroup
    port: Output[int]
    member_ids: list[Output[str]]
    log_group_names: list[Output[str]]

    def __init__(
        self, stack: StackContext, config: DataConfig, network: NetworkContract, security: SecurityContract
    ) -> None:
        super().__init__("txmon:data:Redis", stack.names.logical("redis"), opts=stack.opts)
        identifier, version = stack.names.physical("redis"), security.redis_credentials_version

        log_groups = create_log_groups(
            self, stack, config, security, group="redis_log_group", logs=LOGS, prefix="redis"
        )
        self.group = aws.elasticache.ReplicationGroup(
            stack.names.logical("redis-cluster"),
            replication_group_id=identifier,
            description=f"The last {config.history_hours} hours of transactions",
            engine="redis",
            engine_version=VERSION,
            node_type=config.redis_node_type,
            num_cache_clusters=NODES,
            automatic_failover_enabled=True,
            multi_az_enabled=True,
            port=PORT,
            parameter_group_name=self._create_parameter_group(stack).name,
            subnet_group_name=self._create_subnet_group(stack, network).name,
            security_group_ids=[network.redis_security_group_id],
            at_rest_encryption_enabled=True,
            kms_key_id=security.kms_key_arn,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            auth_token_wo=secret_string(stack, security.redis_secret_arn, version.apply(stage_of)),
            auth_token_wo_version=version,
            auth_token_update_strategy=version.apply(_strategy),
            snapshot_retention_limit=config.redis_snapshot_days,
            snapshot_window=config.redis_snapshot_window if config.redis_snapshot_days else None,
            final_snapshot_identifier=f"{identifier}-final-{config.final_snapshot}"
            if config.final_snapshot
            else None,
            maintenance_window=config.redis_maintenance_window,
            auto_minor_version_upgrade=True,
            apply_immediately=config.apply_immediately,
            log_delivery_configurations=[
                {
                    "log_type": log,
                    "log_format": "json",
                    "destination_type": "cloudwatch-logs",
                    "destination": group.name,
                }
                for log, group in zip(LOGS, log_groups, strict=True)
            ],
            tags=stack.name_tag("redis-cluster"),
            opts=ResourceOptions(
                parent=self,
                protect=stack.protect,
                replacement_trigger=placement(network),
                delete_before_replace=True,  # two groups cannot share the identifier
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m", delete="60m"),
            ),
        )
        self.port = self.group.port.apply(lambda port: port or PORT)
        members = self.group.member_clusters.apply(sorted)
        self.member_ids = [members[index] for index in range(NODES)]
        self.log_group_names = [group.name for group in log_groups]
        self.register_outputs({})

    def _create_subnet_group(self, stack: StackContext, network: NetworkContract) -> aws.elasticache.SubnetGroup:
        return aws.elasticache.SubnetGroup(
            stack.names.logical("cache-subnet-group"),
            description="Private subnets for Redis",
            subnet_ids=network.private_subnet_ids,
            tags=stack.name_tag("cache-subnet-group"),
            opts=ResourceOptions(parent=self, replacement_trigger=placement(network)),
        )

    def _create_parameter_group(self, stack: StackContext) -> aws.elasticache.ParameterGroup:
        return aws.elasticache.ParameterGroup(
            stack.names.logical("redis-params"),
            description="When memory is full, what expires soonest goes first",
            family=FAMILY,
            # Keys without an expiry are never evicted: applications set EXPIRE 86400.
            parameters=[{"name": "maxmemory-policy", "value": "volatile-ttl"}],
            tags=stack.name_tag("redis-params"),
            opts=ResourceOptions(parent=self),
        )


def _strategy(version: int) -> str:
    """Return how Redis takes a token: a pending one besides the last, the current one alone.

    SET needs a ROTATE before it, with the same token (ElastiCache User Guide, "Modifying the AUTH token"), which the
    first token did not have.
    """
    return "SET" if stage_of(version) == CURRENT and version > 1 else "ROTATE"
