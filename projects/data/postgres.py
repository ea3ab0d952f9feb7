"""PostgreSQL: every transaction, for good."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from projects.data.config import DataConfig
from projects.data.credentials import generated_secret_arn, password, warn_of_leftover
from shared.contracts import NetworkContract, SecurityContract
from shared.iam import secret_policy
from shared.pulumi_sdk import unknown_output
from shared.stack import Layer

LOGS = ("postgresql", "upgrade", "iam-db-auth-error")

PARAMETERS = {
    # RDS User Guide, "Common DBA tasks: parameters"; PostgreSQL documentation, "Server configuration".
    "rds.force_ssl": "1",
    "log_connections": "1",
    "log_disconnections": "1",
    "log_lock_waits": "1",
    "log_min_duration_statement": "1000",  # ms
    "log_statement": "ddl",
    "idle_in_transaction_session_timeout": "60000",  # ms
    "track_io_timing": "1",
}

PRELOADED = "pg_stat_statements,pgaudit"


class Postgres(pulumi.ComponentResource):
    """The instance in the private subnets, with parameters that require TLS and log groups of our own."""

    instance: aws.rds.Instance
    secret_arn: Output[str]
    """The secret of the master credentials, security's or the one RDS makes."""
    log_group_names: list[Output[str]]

    def __init__(
        self, layer: Layer, config: DataConfig, network: NetworkContract, security: SecurityContract
    ) -> None:
        super().__init__("txmon:data:Postgres", layer.names.logical("postgres"), opts=layer.opts)
        logical, kept = layer.names.logical, ResourceOptions(parent=self, protect=layer.protect)
        identifier = layer.names.physical("rds_instance")

        subnets = aws.rds.SubnetGroup(
            logical("db-subnet-group"),
            description="Private subnets for PostgreSQL",
            subnet_ids=network.private_subnet_ids,
            tags=layer.name_tag("db-subnet-group"),
            opts=ResourceOptions(parent=self),
        )
        parameters = aws.rds.ParameterGroup(
            logical("db-parameters"),
            description="TLS only; connections, locks and slow statements logged",
            family=f"postgres{config.postgres_version}",
            parameters=[
                *(aws.rds.ParameterGroupParameterArgs(name=name, value=value) for name, value in PARAMETERS.items()),
                # Static: takes effect at the next restart.
                aws.rds.ParameterGroupParameterArgs(
                    name="shared_preload_libraries", value=PRELOADED, apply_method="pending-reboot"
                ),
            ],
            tags=layer.name_tag("db-parameters"),
            # A new family replaces it; until its maintenance window the instance is in the old one, which AWS then
            # refuses to delete.
            opts=ResourceOptions(parent=self, retain_on_delete=not config.apply_immediately),
        )
        # RDS would make them itself, without retention and key.
        log_groups = [
            aws.cloudwatch.LogGroup(
                logical(f"db-log-{log}"),
                name=f"{layer.names.physical('rds_log_group')}/{log}",
                retention_in_days=config.log_retention_days,
                kms_key_id=security.telemetry_key_arn,
                deletion_protection_enabled=layer.protect,
                tags=layer.name_tag(f"db-log-{log}"),
                opts=kept,
            )
            for log in LOGS
        ]
        self.instance = aws.rds.Instance(
            logical("rds-postgres"),
            identifier=identifier,
            engine="postgres",
            engine_version=config.postgres_version,
            # No paid support for a version that PostgreSQL has given up: it is upgraded instead.
            engine_lifecycle_support="open-source-rds-extended-support-disabled",
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=True,  # to the one in the stack file, no other
            instance_class=config.postgres_instance_class,
            storage_type="gp3",
            allocated_storage=config.postgres_storage_gib,
            max_allocated_storage=config.postgres_max_storage_gib,
            storage_encrypted=True,
            kms_key_id=security.kms_key_arn,
            db_name="transactions",
            port=5432,
            username=security.db_username,
            **_master_password(layer, config, security),
            iam_database_authentication_enabled=True,
            ca_cert_identifier="rds-ca-rsa2048-g1",
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[network.rds_security_group_id],
            publicly_accessible=False,
            multi_az=config.postgres_multi_az,
            parameter_group_name=parameters.name,
            backup_retention_period=config.postgres_backup_days,
            backup_window=config.postgres_backup_window if config.postgres_backup_days else None,
            maintenance_window=config.postgres_maintenance_window,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not config.final_snapshot,
            skip_final_snapshot=not config.final_snapshot,
            final_snapshot_identifier=f"{identifier}-final-{config.final_snapshot}"
            if config.final_snapshot
            else None,
            deletion_protection=layer.protect,
            enabled_cloudwatch_logs_exports=list(LOGS),
            monitoring_interval=config.postgres_monitoring_seconds,
            monitoring_role_arn=security.rds_monitoring_role_arn if config.postgres_monitoring_seconds else None,
            performance_insights_enabled=True,
            performance_insights_kms_key_id=security.kms_key_arn,
            database_insights_mode=config.postgres_insights,
            # The only retention that advanced takes, and the free one (RDS User Guide, "Database Insights").
            performance_insights_retention_period=465 if config.postgres_insights == "advanced" else 7,
            apply_immediately=config.apply_immediately,
            tags=layer.name_tag("rds-postgres"),
            opts=ResourceOptions.merge(
                kept,
                ResourceOptions(
                    depends_on=log_groups,
                    delete_before_replace=True,  # the identifier is fixed
                    custom_timeouts=pulumi.CustomTimeouts(create="60m", update="80m", delete="60m"),
                ),
            ),
        )
        self.secret_arn = (
            self._managed_secret(layer, config, security)
            if config.database_credentials == "rds-managed"
            else security.db_secret_arn
        )
        self.log_group_names = [group.name for group in log_groups]
        self.register_outputs({})

    def _managed_secret(self, layer: Layer, config: DataConfig, security: SecurityContract) -> Output[str]:
        """The secret that RDS made, with our readers, and on our schedule in place of its own of seven days."""
        # Until RDS has taken over the password of an instance that had one of ours, it tells of no secret.
        arn = self.instance.master_user_secrets.apply(
            lambda secrets: secrets[0].secret_arn if secrets else unknown_output()
        ).apply(str)
        # The role that RDS rotates it with (RDS User Guide, "Using service-linked roles").
        rds = layer.arn("iam", "role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS", region="")
        readers = Output.all(security.secret_reader_arns, rds).apply(lambda arns: [*arns[0], arns[1]])
        aws.secretsmanager.SecretPolicy(
            layer.names.logical("db-secret-policy"),
            secret_arn=arn,
            block_public_policy=True,
            policy=secret_policy(arn, readers),
            opts=ResourceOptions(parent=self),
        )
        aws.secretsmanager.SecretRotation(
            layer.names.logical("db-secret-rotation"),
            secret_id=arn,
            rotation_rules={"automatically_after_days": config.master_password_rotation_days},
            rotate_immediately=False,
            # The secret goes with the instance; until then AWS does not let go of its rotation.
            opts=ResourceOptions(parent=self, retain_on_delete=True),
        )
        return arn


def _master_password(layer: Layer, config: DataConfig, security: SecurityContract) -> Mapping[str, Any]:
    if config.database_credentials == "rds-managed":
        warn_of_leftover(security)
        return {"manage_master_user_password": True, "master_user_secret_kms_key_id": security.secrets_key_arn}
    return {
        # Write-only: AWS gets it on creation and whenever the version rises.
        "password_wo": password(layer, generated_secret_arn(security)),
        "password_wo_version": security.db_credentials_version,
    }
