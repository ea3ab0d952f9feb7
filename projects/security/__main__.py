"""Security: KMS keys, IAM roles and secrets, which other layers use by ARN."""

from pulumi import Output

from projects.security.config import SecurityConfig
from projects.security.credentials import Vault, secret_names
from projects.security.keys import Keys
from projects.security.roles import Roles
from shared.contracts import SecurityContract
from shared.stack import StackContext

config = SecurityConfig.load()
stack = StackContext.current(config)

keys = Keys(stack, config)
roles = Roles(
    stack,
    consumer_services=config.consumer_services,
    producer_services=config.producer_services,
    senders=config.senders,
    secret_names=secret_names(stack, config),
)
vault = Vault(
    stack,
    config,
    key_arn=keys.secrets.arn,
    consumer_role_arn=roles.consumer.arn,
    migrator_role_arn=roles.migrator.arn,
)

SecurityContract(
    kms_key_id=keys.data.key_id,
    kms_key_arn=keys.data.arn,
    stream_key_arn=keys.stream.arn,
    secrets_key_arn=keys.secrets.arn,
    telemetry_key_arn=keys.telemetry.arn,
    kinesis_role_arn=roles.consumer.arn,
    kinesis_role_name=roles.consumer.name,
    kinesis_role_id=roles.consumer.unique_id,
    migrator_role_arn=roles.migrator.arn,
    migrator_role_name=roles.migrator.name,
    migrator_role_id=roles.migrator.unique_id,
    kinesis_producer_role_arn=roles.producer.arn,
    kinesis_producer_role_name=roles.producer.name,
    kinesis_producer_role_id=roles.producer.unique_id,
    rds_monitoring_role_arn=roles.rds_monitoring.arn,
    flow_log_role_arn=roles.flow_log.arn,
    flow_log_role_name=roles.flow_log.name,
    flow_log_role_id=roles.flow_log.unique_id,
    db_secret_arn=vault.database.secret_arn,
    db_username=vault.database.username,
    db_credentials_version=Output.from_input(vault.database.version),
    secret_reader_arns=vault.reader_arns,
    redis_secret_arn=vault.redis_arn,
    redis_credentials_version=Output.from_input(config.redis_credentials_version),
).export(stack)
