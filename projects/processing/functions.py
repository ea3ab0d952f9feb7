"""The functions, which share one zip: consumer, migrator and, if operators have access, the console."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output, ResourceOptions

from projects.processing.config import ProcessingConfig
from projects.processing.retries import OUTAGE_SECONDS, TIMEOUT_SECONDS, processing_seconds
from shared.contracts import DataContract, NetworkContract, SecurityContract
from shared.iam import allow, document
from shared.stack import StackContext

RUNTIME, ARCHITECTURE = "python3.13", "arm64"

MIGRATOR_MEMORY_MIB = 1024
"""CPU comes with memory, and a day of history has to be rebuilt within the function's quarter of an hour."""

MIGRATOR_OUTAGE_SECONDS = 120
"""Seconds that a deployment waits for a database that does not answer."""

CONSOLE_SECONDS = 60
"""Time-out of the console, whose queries may take 30 s in all; as long again goes to log in and to encode rows."""

OPERATOR = "tx_operator"
"""PostgreSQL's user of the console, which reads only. Migration 0003 creates it."""


class Functions(pulumi.ComponentResource):
    """The functions in the private subnets. Consumer and console get new code once the schema is migrated."""

    consumer: aws.lambda_.Function
    migrator: aws.lambda_.Function
    schema_version: Output[int]

    def __init__(
        self,
        stack: StackContext,
        config: ProcessingConfig,
        network: NetworkContract,
        security: SecurityContract,
        data: DataContract,
        *,
        archive: str,
        migrations: str,
        attempts: Output[int],
        log_group: aws.cloudwatch.LogGroup,
        depends_on: Sequence[pulumi.Resource],
    ) -> None:
        """Create them from the zip at `archive`; `migrations` is the digest of the migrations in it."""
        super().__init__("txmon:processing:Functions", stack.names.logical("functions"), opts=stack.opts)
        self._stack = stack
        self._common: Mapping[str, Any] = {
            "code": pulumi.FileArchive(archive),
            "runtime": RUNTIME,
            "architectures": [ARCHITECTURE],
            "vpc_config": {
                "subnet_ids": network.private_subnet_ids,
                "security_group_ids": [network.consumer_security_group_id],
            },
            # A deleted function's network interfaces hold their group for up to 45 minutes (Lambda Developer Guide,
            # "Giving Lambda functions access to resources in an Amazon VPC").
            "replace_security_groups_on_destroy": True,
            "logging_config": {
                "log_format": "JSON",
                "log_group": log_group.name,
                "system_log_level": "WARN",
                "application_log_level": "INFO",  # embedded metrics have no level, which counts as INFO
            },
        }
        variables: dict[str, Input[str]] = {
            "TXMON_ENVIRONMENT": stack.suffix,
            "DB_HOST": data.rds_address,
            "DB_PORT": data.rds_port.apply(str),
            "DB_NAME": data.rds_database_name,
            "DB_USER": data.rds_iam_user,
            "REDIS_HOST": data.redis_endpoint,
            "REDIS_PORT": data.redis_port.apply(str),
            "REDIS_SECRET_ARN": security.redis_secret_arn,
            "HISTORY_HOURS": data.redis_history_hours.apply(str),
            "PROCESSING_SECONDS": attempts.apply(processing_seconds).apply(str),
            "RULES": config.rules.model_dump_json(exclude_defaults=True),
        }
        self.migrator = self._function(
            "migrator",
            role_arn=security.migrator_role_arn,
            role_id=security.migrator_role_id,
            handler="app.migrate.handler",
            memory_mib=MIGRATOR_MEMORY_MIB,
            variables=variables
            | {"DB_MASTER_SECRET_ARN": data.rds_secret_arn, "OUTAGE_SECONDS": str(MIGRATOR_OUTAGE_SECONDS)},
            depends_on=depends_on,
        )
        if lacking := stack.environment.lacks:
            pulumi.warn(f"there is no server for {lacking}: transactions stay in the stream (./inv doctor)")
            self.schema_version = Output.from_input(0)
        else:
            migration = self._migrate(migrations, data.rds_resource_id)
            self.schema_version = migration.result.apply(json.loads).apply(lambda found: int(found["schema_version"]))
            depends_on = [*depends_on, migration]
        self.consumer = self._function(
            "consumer",
            role_arn=security.kinesis_role_arn,
            role_id=security.kinesis_role_id,
            handler="app.consume.handler",
            memory_mib=config.memory_mib,
            variables=variables | {"OUTAGE_SECONDS": str(OUTAGE_SECONDS)},
            reserved_concurrency=config.reserved_concurrency,
            depends_on=depends_on,
        )
        if config.operator_access:
            login = self._allow_operator(security, data)
            self._function(
                "console",
                role_arn=security.migrator_role_arn,
                role_id=security.migrator_role_id,
                handler="app.console.handler",
                memory_mib=MIGRATOR_MEMORY_MIB,
                variables=variables | {"DB_USER": OPERATOR, "OUTAGE_SECONDS": "0"},
                depends_on=[*depends_on, login],
                timeout=CONSOLE_SECONDS,
            )
        self.register_outputs({})

    def _allow_operator(self, security: SecurityContract, data: DataContract) -> aws.iam.RolePolicy:
        """Allow the migrator's role, under which the console runs, to log in as `OPERATOR`."""
        user = Output.concat(self._stack.arn("rds-db", "dbuser:"), data.rds_resource_id, f"/{OPERATOR}")
        return aws.iam.RolePolicy(
            self._stack.names.logical("console-login"),
            role=security.migrator_role_name,
            policy=document(allow("OperatorLogin", ["rds-db:connect"], [user])),
            opts=self._stack.attached_to(security.migrator_role_id),
        )

    def _function(
        self,
        who: str,
        *,
        role_arn: Input[str],
        role_id: Input[str],
        handler: str,
        memory_mib: int,
        variables: Mapping[str, Input[str]],
        depends_on: Sequence[pulumi.Resource],
        reserved_concurrency: int | None = None,
        timeout: int = TIMEOUT_SECONDS,
    ) -> aws.lambda_.Function:
        return aws.lambda_.Function(
            self._stack.names.logical(f"{who}-function"),
            name=self._stack.names.physical(f"{who}_function"),
            role=role_arn,
            handler=handler,
            memory_size=memory_mib,
            timeout=timeout,
            environment={"variables": variables},
            reserved_concurrent_executions=reserved_concurrency,
            tags=self._stack.name_tag(f"{who}-function"),
            opts=ResourceOptions(
                parent=self,
                depends_on=depends_on,
                # A function cannot decrypt its variables with a new role of the old one's name (AWS re:Post,
                # "KMSAccessDeniedException when a Lambda function is invoked").
                replacement_trigger=role_id,
                delete_before_replace=True,  # two functions cannot share the name
            ),
            **self._common,
        )

    def _migrate(self, migrations: str, database: Input[str]) -> aws.lambda_.Invocation:
        """Run the migrations now, and again when they or the database change. An error fails the deployment."""
        return aws.lambda_.Invocation(
            self._stack.names.logical("migration"),
            function_name=self.migrator.name,
            input=json.dumps({"migrate": migrations}),
            triggers={"migrations": migrations, "database": database},
            opts=ResourceOptions(parent=self),
        )
