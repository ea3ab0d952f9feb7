"""Redis: the last day's transactions, near at hand."""

import pulumi
import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from projects.data.config import DataConfig
from projects.data.credentials import secret_string
from shared.contracts import DataContract, NetworkContract, SecurityContract
from shared.stack import StackContext

NODES = len(DataContract.example()["redis_member_ids"])
"""A primary and a replica: as many as the contract says, since readers loop over them."""

PORT = 6379

FAMILY, VERSION = "redis7", "7.1"
"""The last of Redis OSS on ElastiCache. No setting: an older one is upgraded to it by itself, and the way back from
there, to what the stack file says, would be a new and empty cluster."""

LOGS = ("slow-log", "engine-log")


class Redis(pulumi.ComponentResource):
    """The replication group in the private subnets: TLS with an AUTH token, failover to another zone."""

    group: aws.elasticache.ReplicationGroup
    port: Output[int]
    member_ids: list[Output[str]]
    log_group_names: list[Output[str]]

    def __init__(
        self, stack: StackContext, config: DataConfig, network: NetworkContract, security: SecurityContract
    ) -> None:
        super().__init__("txmon:data:Redis", stack.names.logical("redis"), opts=stack.opts)
        logical, kept = stack.names.logical, ResourceOptions(parent=self, protect=stack.protect)
        identifier = stack.names.physical("redis")

        subnets = aws.elasticache.SubnetGroup(
            logical("cache-subnet-group"),
            description="Private subnets for Redis",
            subnet_ids=network.private_subnet_ids,
            tags=stack.name_tag("cache-subnet-group"),
            opts=ResourceOptions(parent=self),
        )
        parameters = aws.elasticache.ParameterGroup(
            logical("redis-params"),
            description="When memory is full, what expires soonest goes first",
            family=FAMILY,
            # Keys without an expiry are never evicted: applications set EXPIRE 86400.
            parameters=[{"name": "maxmemory-policy", "value": "volatile-ttl"}],
            tags=stack.name_tag("redis-params"),
            opts=ResourceOptions(parent=self),
        )
        log_groups = [
            aws.cloudwatch.LogGroup(
                logical(f"redis-{log}"),
                name=f"{stack.names.physical('redis_log_group')}/{log}",
                retention_in_days=config.log_retention_days,
                kms_key_id=security.telemetry_key_arn,
                deletion_protection_enabled=stack.protect,
                tags=stack.name_tag(f"redis-{log}"),
                opts=kept,
            )
            for log in LOGS
        ]
        self.group = aws.elasticache.ReplicationGroup(
            logical("redis-cluster"),
            replication_group_id=identifier,
            description=f"The last {config.history_hours} hours of transactions",
            engine="redis",
            engine_version=VERSION,
            node_type=config.redis_node_type,
            num_cache_clusters=NODES,
            automatic_failover_enabled=True,
            multi_az_enabled=True,
            port=PORT,
            parameter_group_name=parameters.name,
            subnet_group_name=subnets.name,
            security_group_ids=[network.redis_security_group_id],
            at_rest_encryption_enabled=True,
            kms_key_id=security.kms_key_arn,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            # Write-only; a new token is taken beside the old one until the version after it.
            auth_token_wo=secret_string(stack, security.redis_secret_arn),
            auth_token_wo_version=security.redis_credentials_version,
            auth_token_update_strategy="ROTATE",  # noqa: S106 (a strategy, no token)
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
            opts=ResourceOptions.merge(
                kept,
                ResourceOptions(
                    delete_before_replace=True,  # the identifier is fixed
                    custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m", delete="60m"),
                ),
            ),
        )
        self.port = self.group.port.apply(lambda port: port or PORT)
        members = self.group.member_clusters.apply(sorted)
        self.member_ids = [members[index] for index in range(NODES)]
        self.log_group_names = [group.name for group in log_groups]
        self.register_outputs({})
