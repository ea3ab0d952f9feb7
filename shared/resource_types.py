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
"""What cannot be made again as it was, or takes with it what cannot."""
