"""PostgreSQL, for all transactions."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from projects.data.config import DataConfig
from projects.data.credentials import generated_secret_arn, password, warn_of_unused_credentials
from projects.data.logs import create_log_groups
from projects.data.placement import placement
from projects.data.restore import IGNORED, origin
from shared.contracts import NetworkContract, SecurityContract
from shared.iam import secret_policy
from shared.pulumi_sdk import unknown_output
from shared.stack import StackContext

LOGS = ("postgresql", "upgrade", "iam-db-auth-error")

PARAMETERS = {
    # RDS User Guide, "Common DBA tasks: parameters"; PostgreSQL documentation, "Server configuration".
    "rds.force_ssl": "1",
    "log_connections": "1",
    "log_disconnections": "1",
    "log_lock_waits": "1",
    "log_min_duration_statement": "1000",  # ms
    # The parameters of an INSERT are whole transactions, which do not belong in a log.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    # Changes of roles and of the schema. `log_statement` would log the passwords in them, which pgaudit redacts
    # (RDS User Guide, "Using pgAudit to log database activity"; pgaudit's README, "Session audit logging").
    "pgaudit.log": "ddl,role",
    # Reads of what processing's migrations grant to this role: the contents of transactions. The only name that RDS
    # takes ("Auditing database objects"). Values of parameters stay out of the log: `pgaudit.log_parameter` is off.
    "pgaudit.role": "rds_pgaudit",
    "idle_in_transaction_session_timeout": "60000",  # ms
    "track_io_timing": "1",
}

PRELOADED = "pg_stat_statements,pgaudit"


class Postgres(pulumi.ComponentResource):
    """An instance in the private subnets that requires TLS and logs to encrypted log groups."""

    instance: aws.rds.Instance
    secret_arn: Output[str]
    """ARN of the secret with the master credentials: security's, or the one that RDS manages."""
    log_group_names: list[Output[str]]

    def __init__(
        self, stack: StackContext, config: DataConfig, network: NetworkContract, security: SecurityContract
    ) -> None:
        super().__init__("txmon:data:Postgres", stack.names.logical("postgres"), opts=stack.opts)
        identifier = stack.names.physical("rds_instance")

        log_groups = create_log_groups(
            self, stack, config, security, group="rds_log_group", logs=LOGS, prefix="db-log"
        )
        self.instance = aws.rds.Instance(
            stack.names.logical("rds-postgres"),
            identifier=identifier,
            engine="postgres",
            engine_version=config.postgres_version,
            # At the end of a version's support, upgrade it instead of paying for extended support.
            engine_lifecycle_support="open-source-rds-extended-support-disabled",
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=True,  # only to the version in the stack file
            instance_class=config.postgres_instance_class,
            storage_type="gp3",
            allocated_storage=config.postgres_storage_gib,
            max_allocated_storage=config.postgres_max_storage_gib,
            storage_encrypted=True,
            kms_key_id=security.kms_key_arn,
            db_name="transactions",
            port=5432,
            username=security.db_username,
            **_master_password(stack, config, security),
            **origin(config.restore_from),
            iam_database_authentication_enabled=True,
            ca_cert_identifier="rds-ca-rsa2048-g1",
            db_subnet_group_name=self._create_subnet_group(stack, network).name,
            vpc_security_group_ids=[network.rds_security_group_id],
            publicly_accessible=False,
            multi_az=config.postgres_multi_az,
            parameter_group_name=self._create_parameter_group(stack, config).name,
            backup_retention_period=config.postgres_backup_days,
            backup_window=config.postgres_backup_window if config.postgres_backup_days else None,
            maintenance_window=config.postgres_maintenance_window,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not config.final_snapshot,
            skip_final_snapshot=not config.final_snapshot,
            final_snapshot_identifier=f"{identifier}-final-{config.final_snapshot}"
            if config.final_snapshot
            else None,
            deletion_protection=stack.protect,
            enabled_cloudwatch_logs_exports=list(LOGS),
            monitoring_interval=config.postgres_monitoring_seconds,
            monitoring_role_arn=security.rds_monitoring_role_arn if config.postgres_monitoring_seconds else None,
            performance_insights_enabled=True,
            performance_insights_kms_key_id=security.kms_key_arn,
            database_insights_mode=config.postgres_insights,
            # 465 is required by advanced, and 7 is free of charge (RDS User Guide, "Database Insights").
            performance_insights_retention_period=465 if config.postgres_insights == "advanced" else 7,
            apply_immediately=config.apply_immediately,
            tags=stack.name_tag("rds-postgres"),
            opts=ResourceOptions(
                parent=self,
                protect=stack.protect,
                depends_on=log_groups,
                ignore_changes=IGNORED,
                replacement_trigger=placement(network),
                delete_before_replace=True,  # two instances cannot share the identifier
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="80m", delete="60m"),
            ),
        )
        self.secret_arn = (
            self._managed_secret(stack, config, security)
            if config.database_credentials == "rds-managed"
            else security.db_secret_arn
        )
        self.log_group_names = [group.name for group in log_groups]
        self.register_outputs({})

    def _create_subnet_group(self, stack: StackContext, network: NetworkContract) -> aws.rds.SubnetGroup:
        return aws.rds.SubnetGroup(
            stack.names.logical("db-subnet-group"),
            description="Private subnets for PostgreSQL",
            subnet_ids=network.private_subnet_ids,
            tags=stack.name_tag("db-subnet-group"),
            opts=ResourceOptions(parent=self, replacement_trigger=placement(network)),
        )

    def _create_parameter_group(self, stack: StackContext, config: DataConfig) -> aws.rds.ParameterGroup:
        return aws.rds.ParameterGroup(
            stack.names.logical("db-parameters"),
            description="TLS only; connections, locks and slow statements logged",
            family=f"postgres{config.postgres_version}",
            parameters=[
                *(aws.rds.ParameterGroupParameterArgs(name=name, value=value) for name, value in PARAMETERS.items()),
                # A static parameter: it takes effect at the next restart.
                aws.rds.ParameterGroupParameterArgs(
                    name="shared_preload_libraries", value=PRELOADED, apply_method="pending-reboot"
                ),
            ],
            tags=stack.name_tag("db-parameters"),
            # A new family replaces the group. The instance uses the old group until its maintenance window, and AWS
            # refuses to delete a group in use.
            opts=ResourceOptions(parent=self, retain_on_delete=not config.apply_immediately),
        )

    def _managed_secret(self, stack: StackContext, config: DataConfig, security: SecurityContract) -> Output[str]:
        """Limit the readers of RDS's secret, set its rotation (RDS's default is 7 days), and return its ARN."""
        # While RDS takes over a generated password, the instance lists no secret yet.
        arn = self.instance.master_user_secrets.apply(
            lambda secrets: secrets[0].secret_arn if secrets else unknown_output()
        ).apply(str)
        # RDS rotates the secret with this role (RDS User Guide, "Using service-linked roles").
        rds = stack.arn("iam", "role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS", region="")
        readers = Output.all(security.secret_reader_arns, security.migrator_role_arn, rds).apply(
            lambda arns: [*arns[0], *arns[1:]]
        )
        aws.secretsmanager.SecretPolicy(
            stack.names.logical("db-secret-policy"),
            secret_arn=arn,
            block_public_policy=True,
            policy=secret_policy(arn, readers),
            opts=ResourceOptions(parent=self),
        )
        aws.secretsmanager.SecretRotation(
            stack.names.logical("db-secret-rotation"),
            secret_id=arn,
            rotation_rules={"automatically_after_days": config.master_password_rotation_days},
            rotate_immediately=False,
            # RDS deletes the secret with the instance. Until then AWS refuses to remove the rotation.
            opts=ResourceOptions(parent=self, retain_on_delete=True),
        )
        return arn


def _master_password(stack: StackContext, config: DataConfig, security: SecurityContract) -> Mapping[str, Any]:
    if config.database_credentials == "rds-managed":
        warn_of_unused_credentials(security)
        return {"manage_master_user_password": True, "master_user_secret_kms_key_id": security.secrets_key_arn}
    return {
        # Write-only: sent to AWS on creation and when the version rises.
        "password_wo": password(stack, generated_secret_arn(security)),
        "password_wo_version": security.db_credentials_version,
    }
