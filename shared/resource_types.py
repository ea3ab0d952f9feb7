"""The resource types that hold state."""

STATEFUL = (
    "aws:kms/key:Key",
    "aws:secretsmanager/secret:Secret",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/subnet:Subnet",
    "aws:kinesis/stream:Stream",
    "aws:sqs/queue:Queue",
    "aws:rds/instance:Instance",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:cloudwatch/logGroup:LogGroup",
)
"""Types whose loss loses data, or whose replacement replaces such resources."""
