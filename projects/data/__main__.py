"""Data: PostgreSQL for all transactions and Redis for the last day's, both private, encrypted and TLS only."""

import pulumi

from projects.data import sizes
from projects.data.backups import Backups
from projects.data.cache import Redis
from projects.data.config import DataConfig
from projects.data.grants import IAM_USER, grant_consumer, grant_migrator
from projects.data.postgres import Postgres
from shared.contracts import DataContract, NetworkContract, SecurityContract
from shared.stack import StackContext

config = DataConfig.load()
stack = StackContext.current(config)
network, security = NetworkContract.read(stack), SecurityContract.read(stack)

for shortage in config.shortages:
    pulumi.log.warn(shortage)

postgres = Postgres(stack, config, network, security)
redis = Redis(stack, config, network, security)
if config.copy_days:
    Backups(stack, config, security, instance_arn=postgres.instance.arn)
resource_id = postgres.instance.resource_id
grant_consumer(stack, security, rds_resource_id=resource_id)
grant_migrator(stack, security, rds_resource_id=resource_id, db_secret_arn=postgres.secret_arn)

DataContract(
    redis_endpoint=redis.group.primary_endpoint_address,
    redis_reader_endpoint=redis.group.reader_endpoint_address,
    redis_port=redis.port,
    redis_replication_group_id=redis.group.replication_group_id,
    redis_member_ids=redis.member_ids,
    redis_log_group_names=redis.log_group_names,
    redis_history_hours=pulumi.Output.from_input(config.history_hours),
    redis_vcpus=pulumi.Output.from_input(sizes.NODE_TYPES[config.redis_node_type].vcpus),
    rds_endpoint=postgres.instance.endpoint,
    rds_address=postgres.instance.address,
    rds_port=postgres.instance.port,
    rds_database_name=postgres.instance.db_name,
    rds_iam_user=pulumi.Output.from_input(IAM_USER),
    rds_identifier=postgres.instance.identifier,
    rds_resource_id=postgres.instance.resource_id,
    rds_secret_arn=postgres.secret_arn,
    rds_log_group_names=postgres.log_group_names,
    rds_vcpus=pulumi.Output.from_input(sizes.DATABASE_CLASSES[config.postgres_instance_class].vcpus),
    rds_memory_mib=pulumi.Output.from_input(sizes.memory_mib(config.postgres_instance_class)),
    rds_max_connections=pulumi.Output.from_input(sizes.max_connections(config.postgres_instance_class)),
    rds_storage_gib=pulumi.Output.from_input(config.postgres_storage_gib),
).export(stack)
