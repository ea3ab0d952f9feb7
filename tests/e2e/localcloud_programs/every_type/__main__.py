"""Declares one resource of each type that the local cloud has, with the arguments that layers give."""

import json

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
tags = {"Name": config.require("name")}
serial = config.require_int("serial")
region, account = "ap-northeast-1", "000000000000"
provider = aws.Provider(
    "aws",
    region=region,
    default_tags={"tags": {"Project": "txmon", "Environment": "local"}},
    allowed_account_ids=[account],
)
opts = pulumi.ResourceOptions(provider=provider)
asking = pulumi.InvokeOptions(provider=provider)


def policy(
    action: str | list[str], resource: pulumi.Input[str | None] = "*", principal: str | dict[str, str] | None = None
) -> pulumi.Output[str]:
    """Return a policy document with one statement; the resource may be an output."""
    return pulumi.Output.from_input(resource).apply(
        lambda arn: json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": action,
                        **({"Resource": arn} if arn else {}),
                        **({"Principal": principal} if principal else {}),
                    }
                ],
            }
        )
    )


root = {"AWS": f"arn:aws:iam::{account}:root"}

# Keys and roles.
key = aws.kms.Key(
    "key",
    description="every type",
    deletion_window_in_days=7,
    enable_key_rotation=True,
    rotation_period_in_days=365,
    policy=policy("kms:*", principal=root),
    tags=tags,
    opts=opts,
)
aws.kms.Alias("alias", name="alias/every-type", target_key_id=key.key_id, opts=opts)
boundary = aws.iam.Policy("boundary", description="b", policy=policy("*"), tags=tags, opts=opts)
role = aws.iam.Role(
    "role",
    name="every-type",
    description="a role",
    assume_role_policy=policy("sts:AssumeRole", None, {"Service": "lambda.amazonaws.com"}),
    permissions_boundary=boundary.arn,
    tags=tags,
    opts=opts,
)
aws.iam.RolePolicyAttachment(
    "attachment",
    role=role.name,
    policy_arn="arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
    opts=opts,
)
secret = aws.secretsmanager.Secret(
    "secret",
    name="every-type",
    description="a secret",
    kms_key_id=key.arn,
    recovery_window_in_days=0,
    tags=tags,
    opts=opts,
)
password = aws.secretsmanager.get_random_password_output(
    password_length=32, exclude_punctuation=True, opts=pulumi.InvokeOutputOptions(provider=provider)
)
version = aws.secretsmanager.SecretVersion(
    "version",
    secret_id=secret.id,
    secret_string_wo=password.random_password.apply(lambda p: json.dumps({"username": "u", "password": p})),
    secret_string_wo_version=serial,
    opts=opts,
)
aws.secretsmanager.SecretPolicy(
    "secret-policy",
    secret_arn=secret.arn,
    policy=policy("secretsmanager:GetSecretValue", principal=root),
    block_public_policy=True,
    opts=opts,
)
rotated = aws.secretsmanager.Secret("rotated", recovery_window_in_days=0, tags=tags, opts=opts)
plain = aws.secretsmanager.SecretVersion(
    "plain", secret_id=rotated.id, secret_string=pulumi.Output.secret("a-plain-value"), opts=opts
)
aws.secretsmanager.SecretRotation(
    "rotation",
    secret_id=rotated.id,
    rotation_rules={"automatically_after_days": 30},
    rotate_immediately=False,
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[plain]),
)

# The network.
vpc = aws.ec2.Vpc(
    "vpc",
    cidr_block="10.0.0.0/16",
    enable_dns_hostnames=True,
    enable_dns_support=True,
    tags=tags,
    opts=opts,
)
zones = aws.get_availability_zones(state="available", opts=asking)
subnets = [
    aws.ec2.Subnet(
        f"subnet-{n}",
        vpc_id=vpc.id,
        cidr_block=f"10.0.{n + 1}.0/24",
        availability_zone=zone,
        map_public_ip_on_launch=False,
        tags=tags,
        opts=opts,
    )
    for n, zone in enumerate(zones.names)
]
table = aws.ec2.RouteTable("table", vpc_id=vpc.id, tags=tags, opts=opts)
aws.ec2.RouteTableAssociation("association", route_table_id=table.id, subnet_id=subnets[0].id, opts=opts)
aws.ec2.DefaultSecurityGroup("default-group", vpc_id=vpc.id, tags=tags, opts=opts)
group = aws.ec2.SecurityGroup(
    "group",
    name="every-type",
    description="a group",
    vpc_id=vpc.id,
    revoke_rules_on_delete=True,
    tags=tags,
    opts=opts,
)
other = aws.ec2.SecurityGroup(
    "other",
    vpc_id=vpc.id,
    tags=tags,
    opts=opts,
)
aws.vpc.SecurityGroupIngressRule(
    "ingress",
    security_group_id=group.id,
    referenced_security_group_id=other.id,
    ip_protocol="tcp",
    from_port=443,
    to_port=443,
    description="from the other group",
    tags=tags,
    opts=opts,
)
aws.vpc.SecurityGroupEgressRule(
    "egress",
    security_group_id=group.id,
    referenced_security_group_id=other.id,
    ip_protocol="-1",
    tags=tags,
    opts=opts,
)
gateway = aws.ec2.VpcEndpoint(
    "gateway",
    vpc_id=vpc.id,
    service_name=f"com.amazonaws.{region}.s3",
    route_table_ids=[table.id],
    policy=policy("*", principal="*"),
    tags=tags,
    opts=opts,
)
aws.vpc.SecurityGroupEgressRule(
    "to-s3",
    security_group_id=group.id,
    prefix_list_id="pl-61a54008",
    ip_protocol="tcp",
    from_port=443,
    to_port=443,
    tags=tags,
    opts=opts,
)
aws.ec2.VpcEndpoint(
    "interface",
    vpc_id=vpc.id,
    vpc_endpoint_type="Interface",
    service_name=f"com.amazonaws.{region}.kinesis-streams",
    subnet_ids=[subnet.id for subnet in subnets],
    security_group_ids=[group.id],
    private_dns_enabled=True,
    tags=tags,
    opts=opts,
)

# The stream.
stream = aws.kinesis.Stream(
    "stream",
    name="every-type",
    shard_count=2,
    retention_period=48,
    encryption_type="KMS",
    kms_key_id=key.arn,
    stream_mode_details={"stream_mode": "PROVISIONED"},
    shard_level_metrics=["WriteProvisionedThroughputExceeded", "IteratorAgeMilliseconds"],
    enforce_consumer_deletion=True,
    tags=tags,
    opts=opts,
)
grant = aws.iam.RolePolicy(
    "grant",
    role=role.name,
    policy=policy(["kinesis:Describe*", "kinesis:Get*", "kinesis:ListShards", "sqs:SendMessage"]),
    opts=opts,
)
aws.kinesis.ResourcePolicy(
    "stream-policy",
    resource_arn=stream.arn,
    policy=policy("kinesis:GetRecords", stream.arn, principal=root),
    opts=opts,
)
dead = aws.sqs.Queue(
    "dead",
    name="every-type-dead",
    kms_master_key_id=key.arn,
    kms_data_key_reuse_period_seconds=300,
    message_retention_seconds=1209600,
    tags=tags,
    opts=opts,
)
aws.sqs.Queue(
    "queue",
    message_retention_seconds=60,
    tags=tags,
    opts=opts,
)
aws.sqs.QueuePolicy("queue-policy", queue_url=dead.url, policy=policy("sqs:*", dead.arn, principal=root), opts=opts)

# The stores.
db_subnets = aws.rds.SubnetGroup("db", subnet_ids=[subnet.id for subnet in subnets], tags=tags, opts=opts)
parameters = aws.rds.ParameterGroup(
    "parameters",
    family="postgres16",
    parameters=[
        {"name": "rds.force_ssl", "value": "1"},
        {"name": "log_min_duration_statement", "value": "1000"},
        {
            "name": "shared_preload_libraries",
            "value": "pg_stat_statements",
            "apply_method": "pending-reboot",
        },
    ],
    tags=tags,
    opts=opts,
)
instance_arguments = {
    "engine": "postgres",
    "engine_version": "16.4",
    "engine_lifecycle_support": "open-source-rds-extended-support-disabled",
    "instance_class": "db.t3.micro",
    "allocated_storage": 20,
    "max_allocated_storage": 50,
    "storage_type": "gp3",
    "storage_encrypted": True,
    "kms_key_id": key.arn,
    "db_name": "transactions",
    "username": "txadmin",
    "iam_database_authentication_enabled": True,
    "db_subnet_group_name": db_subnets.name,
    "vpc_security_group_ids": [group.id],
    "parameter_group_name": parameters.name,
    "ca_cert_identifier": "rds-ca-rsa2048-g1",
    "multi_az": True,
    "publicly_accessible": False,
    "backup_retention_period": 7,
    "backup_window": "17:00-18:00",
    "maintenance_window": "sun:19:00-sun:20:00",
    "copy_tags_to_snapshot": True,
    "enabled_cloudwatch_logs_exports": ["upgrade", "postgresql"],
    "monitoring_interval": 60,
    "monitoring_role_arn": role.arn,
    "performance_insights_enabled": True,
    "performance_insights_kms_key_id": key.arn,
    "performance_insights_retention_period": 7,
    "database_insights_mode": "standard",
    "auto_minor_version_upgrade": True,
    "allow_major_version_upgrade": False,
    "apply_immediately": True,
    "delete_automated_backups": True,
    "skip_final_snapshot": True,
    "deletion_protection": False,
    "tags": tags,
    "opts": opts,
}
database = aws.rds.Instance(
    "database",
    identifier="every-type",
    password_wo=password.random_password,
    password_wo_version=serial,
    **instance_arguments,
)
managed = aws.rds.Instance(
    "managed",
    manage_master_user_password=True,
    master_user_secret_kms_key_id=key.arn,
    **instance_arguments,
)
topic = aws.sns.Topic(
    "topic",
    name="every-type",
    display_name="Every type",
    kms_master_key_id=key.arn,
    signature_version=2,
    tags=tags,
    opts=opts,
)
aws.sns.TopicPolicy("topic-policy", arn=topic.arn, policy=policy("sns:Publish", topic.arn, principal=root), opts=opts)
aws.sns.TopicSubscription("subscription", topic=topic.arn, protocol="email", endpoint="alerts@example.com", opts=opts)
aws.rds.EventSubscription(
    "db-events",
    sns_topic=topic.arn,
    source_type="db-instance",
    source_ids=[database.identifier],
    event_categories=["failover", "failure"],
    tags=tags,
    opts=opts,
)
cache_subnets = aws.elasticache.SubnetGroup(
    "cache", description="cache", subnet_ids=[subnet.id for subnet in subnets], tags=tags, opts=opts
)
cache_parameters = aws.elasticache.ParameterGroup(
    "cache-parameters",
    family="redis7",
    parameters=[{"name": "maxmemory-policy", "value": "volatile-ttl"}],
    tags=tags,
    opts=opts,
)
slow = aws.cloudwatch.LogGroup(
    "slow", name="/aws/elasticache/every-type", retention_in_days=7, kms_key_id=key.arn, tags=tags, opts=opts
)
aws.elasticache.ReplicationGroup(
    "redis",
    replication_group_id="every-type",
    description="a cache",
    engine="redis",
    engine_version="7.1",
    node_type="cache.t3.micro",
    num_cache_clusters=2,
    port=6379,
    automatic_failover_enabled=True,
    multi_az_enabled=True,
    parameter_group_name=cache_parameters.name,
    subnet_group_name=cache_subnets.name,
    security_group_ids=[group.id],
    at_rest_encryption_enabled=True,
    kms_key_id=key.arn,
    transit_encryption_enabled=True,
    transit_encryption_mode="required",
    auth_token_wo=password.random_password,
    auth_token_wo_version=serial,
    snapshot_retention_limit=1,
    snapshot_window="17:00-18:00",
    maintenance_window="sun:19:00-sun:20:00",
    auto_minor_version_upgrade=True,
    apply_immediately=True,
    log_delivery_configurations=[
        {
            "log_type": "slow-log" if serial == 1 else "engine-log",
            "log_format": "json",
            "destination": slow.name,
            "destination_type": "cloudwatch-logs",
        }
    ],
    tags=tags,
    opts=opts,
)

# Watching it.
log_group = aws.cloudwatch.LogGroup(
    "logs", name="/aws/every-type", retention_in_days=7, kms_key_id=key.arn, tags=tags, opts=opts
)
aws.cloudwatch.LogMetricFilter(
    "errors",
    log_group_name=log_group.name,
    pattern="ERROR",
    metric_transformation={
        "name": "Errors",
        "namespace": "TxMon/local",
        "value": "1",
        "default_value": "0",
        "unit": "Count",
    },
    opts=opts,
)
aws.cloudwatch.LogDataProtectionPolicy(
    "protection",
    log_group_name=log_group.name,
    policy_document=json.dumps({"Name": "cards", "Version": "2021-06-01", "Statement": []}),
    opts=opts,
)
aws.cloudwatch.QueryDefinition(
    "query",
    name="every-type/errors",
    query_string="fields @message | filter @message like /ERROR/",
    log_group_names=[log_group.name],
    opts=opts,
)
function = aws.lambda_.Function(
    "function",
    name="every-type",
    role=role.arn,
    code=pulumi.AssetArchive(
        {"answer.py": pulumi.FileAsset("code/answer.py"), "serial.txt": pulumi.StringAsset(str(serial))}
    ),
    handler="answer.handler",
    runtime="python3.13",
    architectures=["arm64"],
    memory_size=256,
    timeout=10,
    environment={"variables": {"SERIAL": str(serial), "OFF": "false"}},
    vpc_config={"subnet_ids": [subnet.id for subnet in subnets], "security_group_ids": [group.id]},
    logging_config={"log_format": "JSON", "log_group": log_group.name},
    kms_key_arn=key.arn,
    replace_security_groups_on_destroy=True,
    tags=tags,
    opts=opts,
)
aws.lambda_.Invocation(
    "invocation", function_name=function.name, input=json.dumps({"asked": serial}), triggers={"a": "1"}, opts=opts
)
aws.lambda_.EventSourceMapping(
    "mapping",
    function_name=function.name,
    event_source_arn=stream.arn,
    starting_position="TRIM_HORIZON",
    batch_size=100 * serial,
    maximum_batching_window_in_seconds=1,
    function_response_types=["ReportBatchItemFailures"],
    bisect_batch_on_function_error=True,
    maximum_retry_attempts=5,
    maximum_record_age_in_seconds=3600,
    destination_config={"on_failure": {"destination_arn": dead.arn}},
    metrics_config={"metrics": ["EventCount"]},
    tags=tags,
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[grant]),
)
aws.ec2.FlowLog(
    "flow-log",
    vpc_id=vpc.id,
    traffic_type="ALL",
    log_destination_type="cloud-watch-logs",
    log_destination=log_group.arn,
    iam_role_arn=role.arn,
    max_aggregation_interval=60,
    tags=tags,
    opts=opts,
)
common = {"alarm_actions": [topic.arn], "ok_actions": [topic.arn], "tags": tags, "opts": opts}
alarm = aws.cloudwatch.MetricAlarm(
    "alarm",
    name="every-type-age",
    alarm_description="the consumer is behind",
    namespace="AWS/Kinesis",
    metric_name="GetRecords.IteratorAgeMilliseconds",
    dimensions={"StreamName": stream.name},
    statistic="Maximum",
    period=60,
    evaluation_periods=5,
    datapoints_to_alarm=5,
    threshold=60000,
    comparison_operator="GreaterThanThreshold",
    treat_missing_data="notBreaching",
    **common,
)
aws.cloudwatch.MetricAlarm(
    "math",
    evaluation_periods=3,
    threshold=0.7,
    comparison_operator="GreaterThanThreshold",
    metric_queries=[
        {"id": "used", "expression": "bytes / 125829120", "label": "used", "return_data": True},
        {
            "id": "bytes",
            "metric": {
                "namespace": "AWS/Kinesis",
                "metric_name": "IncomingBytes",
                "period": 300,
                "stat": "Sum",
                "dimensions": {"StreamName": stream.name},
            },
        },
    ],
    **common,
)
aws.cloudwatch.CompositeAlarm(
    "unhealthy",
    alarm_name="every-type-unhealthy",
    alarm_description="anything",
    alarm_rule=alarm.name.apply(lambda name: f"ALARM({name})"),
    **common,
)
aws.cloudwatch.Dashboard(
    "dashboard",
    dashboard_name="every-type",
    dashboard_body=json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "# every type"}}]}),
    opts=opts,
)
rule = aws.cloudwatch.EventRule(
    "rule",
    name="every-type",
    description="a rule",
    event_pattern=json.dumps({"source": ["aws.kms"], "detail": {"eventName": ["DisableKey"]}}),
    tags=tags,
    opts=opts,
)
aws.cloudwatch.EventTarget(
    "target",
    rule=rule.name,
    arn=topic.arn,
    target_id="topic",
    input_transformer={
        "input_paths": {"event": "$.detail.eventName"},
        "input_template": '"A key event: <event>"',
    },
    opts=opts,
)
aws.budgets.Budget(
    "budget-of-two-tags",
    budget_type="COST",
    limit_amount="100",
    limit_unit="USD",
    time_unit="MONTHLY",
    metrics="UnblendedCost",
    filter_expression={
        "ands": [
            {"tags": {"key": "Project", "values": ["txmon"]}},
            {"not_": {"tags": {"key": "Environment", "values": ["dev"]}}},
        ]
    },
    tags=tags,
    opts=opts,
)
aws.budgets.Budget(
    "budget",
    budget_type="COST",
    limit_amount="200",
    limit_unit="USD",
    time_unit="MONTHLY",
    notifications=[
        {
            "comparison_operator": "GREATER_THAN",
            "notification_type": "FORECASTED",
            "threshold": 100,
            "threshold_type": "PERCENTAGE",
            "subscriber_email_addresses": ["alerts@example.com"],
        }
    ],
    tags=tags,
    opts=opts,
)
pulumi.export("account", aws.get_caller_identity(opts=asking).account_id)
pulumi.export("managed_secret", managed.master_user_secrets[0].secret_arn)
pulumi.export("seen_password", password.random_password)
