"""Processing: the functions that move transactions from the stream into PostgreSQL and Redis."""

from projects.processing import package
from projects.processing.app import schema
from projects.processing.config import ProcessingConfig
from projects.processing.functions import Functions
from projects.processing.logs import create_log_group, grant_logs
from projects.processing.mapping import read_stream
from projects.processing.retries import record_age_seconds
from shared.contracts import DataContract, NetworkContract, ProcessingContract, SecurityContract, StreamingContract
from shared.stack import StackContext

config = ProcessingConfig.load()
stack = StackContext.current(config)
network, security = NetworkContract.read(stack), SecurityContract.read(stack)
streaming, data = StreamingContract.read(stack), DataContract.read(stack)
attempts = streaming.kinesis_retention_hours.apply(config.attempts)

log_group = create_log_group(stack, config, security)
functions = Functions(
    stack,
    config,
    network,
    security,
    data,
    archive=str(package.build()),
    migrations=schema.digest(),
    attempts=attempts,
    log_group=log_group,
    depends_on=grant_logs(stack, security, log_group),
)
mapping = read_stream(stack, streaming, functions.consumer, attempts=attempts)

ProcessingContract(
    consumer_function_name=functions.consumer.name,
    consumer_function_arn=functions.consumer.arn,
    migrator_function_name=functions.migrator.name,
    processing_log_group_name=log_group.name,
    mapping_uuid=mapping.uuid,
    record_age_seconds=streaming.kinesis_retention_hours.apply(record_age_seconds),
    schema_version=functions.schema_version,
).export(stack)
