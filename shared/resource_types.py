"""The resource types that hold state, and those that cannot be deleted while something uses them."""

STATEFUL = (
    "aws:kms/key:Key",
    "aws:secretsmanager/secret:Secret",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/subnet:Subnet",
    "aws:kinesis/stream:Stream",
    "aws:sqs/queue:Queue",
    "aws:rds/instance:Instance",
    "aws:backup/vault:Vault",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:cloudwatch/logGroup:LogGroup",
)
"""Types whose loss loses data, or whose replacement replaces such resources."""

DELETED_UNUSED = (
    "aws:ec2/vpc:Vpc",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/securityGroup:SecurityGroup",
)
"""Types that AWS does not delete while something uses them (Amazon EC2 API reference, "DependencyViolation")."""
