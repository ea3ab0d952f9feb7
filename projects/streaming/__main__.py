"""Streaming: the stream of transactions and the queue for those that cannot be processed."""

from pulumi import Output

from projects.streaming.config import StreamingConfig
from projects.streaming.dead_letters import create_queue
from projects.streaming.grants import grant_consumer, grant_producer, require_tls
from projects.streaming.stream import create_stream, creation_time
from shared.contracts import SecurityContract, StreamingContract
from shared.stack import StackContext

config = StreamingConfig.load()
stack = StackContext.current(config)
security = SecurityContract.read(stack)

stream = create_stream(stack, config, key_arn=security.stream_key_arn)
queue = create_queue(stack, key_arn=security.telemetry_key_arn)
require_tls(stack, stream)
grant_producer(stack, security, stream)
grant_consumer(stack, security, stream, queue)

StreamingContract(
    kinesis_stream_name=stream.name,
    kinesis_stream_arn=stream.arn,
    kinesis_created_at=creation_time(stack, stream),
    kinesis_shard_count=Output.from_input(config.shard_count),
    kinesis_retention_hours=Output.from_input(config.retention_hours),
    dead_letter_queue_arn=queue.arn,
    dead_letter_queue_url=queue.url,
).export(stack)
