"""Every rule against compliant and violating resources."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from shared.policies import AREAS, access, conventions, databases, documents, functions, network, telemetry
from shared.policies.exceptions import Accepted
from shared.policies.resource import PROVIDER, Resource
from shared.policies.rule import Rule

RULES = {rule.control: rule for rules in AREAS.values() for rule in rules}
TAGS = {"Project": "txmon", "Environment": "prod", "Layer": "data", "Owner": "data-team", "ManagedBy": "Pulumi"}
ACCOUNT = "123456789012"
KEY_ARN = "arn:aws:kms:ap-northeast-1:123456789012:key/1"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
NO_VALUES = [{"name": f"log_parameter_max_length{what}", "value": "0"} for what in ("", "_on_error")]
AWS_KEY = "arn:aws:kms:ap-northeast-1:123456789012:alias/aws/rds"


def resource(kind: str, called: str = "thing-prod", /, *, protect: bool = False, **inputs: Any) -> Resource:
    return Resource(kind, called, inputs, protect=protect, default_tags=TAGS, accounts=frozenset({ACCOUNT}))


def policy(kind: str, inputs: documents.PolicyInputs | None = None, /, **statement: Any) -> Resource:
    """Return a resource with a policy of one statement. For a role, `inputs` says which of its policies."""
    [path] = [inputs[kind]] if inputs else {each[kind] for each in documents.ALL_POLICIES if kind in each}
    document = json.dumps({"Statement": [{"Sid": "It", "Effect": "Allow"} | statement]})
    outer, _, inner = path.partition(".")
    return resource(kind, **{outer: [{inner: document}] if inner else document})


def each(*inputs: documents.PolicyInputs, **statement: Any) -> Iterator[Resource]:
    """Yield a resource of every type in `inputs` with a policy of this statement."""
    for table in inputs:
        for kind in table:
            yield policy(kind, table, **statement)


@dataclass(frozen=True)
class Case:
    """A resource that complies with a rule, and resources that violate it."""

    compliant: Resource
    violating: tuple[Resource, ...]
    others: tuple[Resource, ...] = ()
    """The other resources in the stack of the compliant one."""

    def and_violating(self, *more: Resource) -> "Case":
        return Case(self.compliant, self.violating + more)


def case(compliant: Resource, *violating: Resource) -> Case:
    return Case(compliant, violating)


def setting(kind: str, compliant: dict[str, Any], *violating: dict[str, Any]) -> Case:
    return Case(resource(kind, **compliant), tuple(resource(kind, **inputs) for inputs in violating))


def depending(kind: str, key: str, at: str, called: str) -> Resource:
    """Return a resource whose input `key` comes from another resource."""
    made = resource(kind, "policy-prod", **{key: "its"})
    return Resource(**{**vars(made), "property_dependencies": {key: frozenset({(at, called)})}})


def port(number: int) -> dict[str, int]:
    return {"fromPort": number, "toPort": number}


def variables(**values: str) -> dict[str, Any]:
    """Return the inputs of a function with these environment variables."""
    return {"environment": {"variables": values}}


GIVES_UP = {
    "maximumRetryAttempts": 1,
    "maximumRecordAgeInSeconds": 60,
    "destinationConfig": {"onFailure": {"destinationArn": f"arn:aws:sqs:ap-northeast-1:{ACCOUNT}:q"}},
}
"""The inputs of an event source mapping."""

INLINE, BOUNDARY = "aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
QUEUE, QUEUE_POLICY = documents.QUEUE, documents.QUEUE_POLICY
TOPIC, TOPIC_POLICY = documents.TOPIC, documents.TOPIC_POLICY
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
SECURITY_GROUP, DEFAULT_SECURITY_GROUP, LEGACY_RULE = (
    network.SECURITY_GROUP,
    network.DEFAULT_SECURITY_GROUP,
    network.LEGACY_RULE,
)
PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"
ROTATION = "aws:secretsmanager/secretRotation:SecretRotation"
SOURCE = f"arn:aws:events:ap-northeast-1:{ACCOUNT}:rule/r"
UNRESTRICTED: tuple[dict[str, Any], ...] = (
    {},
    {"Null": {"{key}": "false"}},
    {"StringLike": {"{key}": "*"}},
    {"StringLike": {"{key}": "1234*"}},
    {"StringEqualsIfExists": {"{key}": ACCOUNT}},
    {"StringNotEquals": {"{key}": ACCOUNT}},
    {"ForAllValues:StringEquals": {"{key}": ACCOUNT}},
    {"StringEquals": {"{key}": [ACCOUNT, "*"]}},
    {"StringEquals": {"{key}": []}},
    {"StringLike": {"aws:SourceVpc": "vpc-*"}},
    {"StringEquals": {"{key}": "${aws:PrincipalAccount}"}},
    {"ArnLike": {"aws:SourceArn": "arn:aws:events:ap-northeast-1:*:rule/r"}},
    {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::bucket"}},
)
"""Conditions that do not restrict `{key}` to an account."""


def unrestricted(key: str) -> Iterator[dict[str, Any]]:
    for condition in UNRESTRICTED:
        yield json.loads(json.dumps(condition).replace("{key}", key))


def deputy(kind: str, condition: dict[str, Any], *services: str) -> Resource:
    """Return a resource whose policy allows AWS services."""
    inputs = documents.TRUST_POLICIES if kind == documents.ROLE else documents.RESOURCE_POLICIES
    principal = {"Service": list(services or ("vpc-flow-logs.amazonaws.com",))}
    return policy(kind, inputs, Principal=principal, Condition=condition)


TARGETED = {
    "sqs": {"queueUrl": f"https://sqs.ap-northeast-1.amazonaws.com/{ACCOUNT}/one"},
    "sns": {"arn": f"arn:aws:sns:ap-northeast-1:{ACCOUNT}:one"},
    "secretsmanager": {"secretArn": f"arn:aws:secretsmanager:ap-northeast-1:{ACCOUNT}:secret:one"},
    "kinesis": {"resourceArn": f"arn:aws:kinesis:ap-northeast-1:{ACCOUNT}:stream/one"},
}
OVER_PLAIN_HTTP = {"Bool": {"aws:SecureTransport": "false"}}


def denial(kind: str, service: str, **changes: Any) -> Resource:
    """Return a resource whose policy denies all actions over plain HTTP, with `changes` to the statement."""
    resource_arn = f"arn:aws:{service}:ap-northeast-1:{ACCOUNT}:{'stream/' * (service == 'kinesis')}one"
    if service == "secretsmanager":
        resource_arn = TARGETED[service]["secretArn"]
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": f"{service}:*",
        "Resource": resource_arn,
        "Condition": OVER_PLAIN_HTTP,
    }
    given = policy(kind, **statement | changes).inputs
    return resource(kind, name="one", **given, **TARGETED[service])


WORLD = {"cidrIpv4": "0.0.0.0/0", "ipProtocol": "tcp"}

CASES = {
    "EC2.2": setting(DEFAULT_SECURITY_GROUP, {}, {"ingress": [{"protocol": "-1"}]}, {"egress": [{"protocol": "-1"}]}),
    "EC2.6": Case(
        resource(network.VPC, "vpc-prod"),
        (resource(network.VPC, "vpc-prod"), resource(PROVIDER, defaultTags={"tags": {"Layer": "monitoring"}})),
        others=(depending(FLOW_LOG, "vpcId", network.VPC, "vpc-prod"),),
    ),
    "EC2.15": setting("aws:ec2/subnet:Subnet", {}, {"mapPublicIpOnLaunch": True}),
    "EC2.18": setting(
        network.INGRESS,
        WORLD | {"fromPort": 443, "toPort": 443},
        WORLD | {"fromPort": 443, "toPort": 444},
        {"cidrIpv6": "::/0", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22},
        {"cidrIpv4": "0.0.0.0/0", "ipProtocol": "-1"},
    ).and_violating(
        resource(LEGACY_RULE, type="ingress", cidrBlocks=["10.0.0.0/8", "0.0.0.0/0"], protocol="tcp", **port(22)),
        resource(LEGACY_RULE, type="ingress", ipv6CidrBlocks=["::/0"], protocol="all", **port(443)),
        resource(SECURITY_GROUP, ingress=[{"protocol": "tcp", "cidrBlocks": ["0.0.0.0/0"], **port(22)}]),
        resource(DEFAULT_SECURITY_GROUP, ingress=[{"protocol": "-1", "cidrBlocks": ["0.0.0.0/0"], **port(0)}]),
    ),
    "EC2.19": setting(
        network.INGRESS,
        {"referencedSecurityGroupId": "sg-1", "ipProtocol": "tcp", "fromPort": 5432, "toPort": 5432},
        {"cidrIpv4": "10.0.0.0/16", "ipProtocol": "tcp", "fromPort": 5000, "toPort": 6000},
    ).and_violating(
        resource(LEGACY_RULE, type="ingress", cidrBlocks=["10.0.0.0/16"], protocol="tcp", **port(6379)),
        *(
            resource(kind, ingress=[{"protocol": "tcp", "cidrBlocks": ["10.0.0.0/16"], **port(5432)}])
            for kind in (SECURITY_GROUP, DEFAULT_SECURITY_GROUP)
        ),
    ),
    "TXMON.1": setting(network.EGRESS, {"prefixListId": "pl-1"}, {"cidrIpv4": "10.0.0.0/16"}).and_violating(
        resource(LEGACY_RULE, type="egress", cidrBlocks=["0.0.0.0/0"], protocol="-1", **port(0)),
        resource(LEGACY_RULE, type="ingress", self=False, ipv6CidrBlocks=["fd00::/8"], protocol="tcp", **port(443)),
        resource(network.INGRESS, cidrIpv6="fd00::/8", ipProtocol="tcp", **port(443)),
        *(
            resource(kind, egress=[{"protocol": "-1", "cidrBlocks": ["0.0.0.0/0"], **port(0)}])
            for kind in (SECURITY_GROUP, DEFAULT_SECURITY_GROUP)
        ),
    ),
    "TXMON.2": case(
        resource(SECURITY_GROUP),
        resource(SECURITY_GROUP, ingress=[{}]),
        resource(SECURITY_GROUP, egress=[{}]),
        resource(LEGACY_RULE, type="ingress", sourceSecurityGroupId="sg-1", protocol="tcp", **port(443)),
    ),
    "TXMON.3": case(
        resource(network.ROUTE_TABLE),
        resource(network.ROUTE_TABLE, routes=[{"cidrBlock": "10.1.0.0/16", "vpcPeeringConnectionId": "pcx-1"}]),
        *(resource(kind) for kind in network.GATEWAYS),
    ),
    "TXMON.4": setting(ENDPOINT, {"policy": "{}"}, {}),
    "IAM.1": case(
        policy(BOUNDARY, Action=["*"], Resource=["arn:aws:s3:::b"]),
        policy(INLINE, Action="*:*", Resource=["*"]),
        *each(documents.IDENTITY_POLICIES, Action=["kms:Decrypt", "*"], Resource="*"),
    ),
    "IAM.21": case(
        policy(INLINE, Action=["kms:Decrypt", "kms:Re*"], Resource="*"),
        policy(INLINE, Action=["kms:Decrypt", "kms:*"], Resource="*"),
        policy(documents.KEY, Action="*", Resource="*"),
        *each(*documents.ALL_POLICIES, Action="kms:*", Resource=KEY_ARN),
    ),
    "TXMON.5": case(
        policy(INLINE, Action="kms:Decrypt", Resource="*"),
        policy(INLINE, Action=["kms:Decrypt*"], Resource="*"),
        policy(INLINE, NotAction="iam:*", Resource="*"),
        *each(*documents.ALL_POLICIES, Action="kms:Decryp?", Resource=KEY_ARN),
    ),
    "TXMON.6": case(
        policy(INLINE, Action="kms:Decrypt", Resource=[KEY_ARN]),
        policy(INLINE, Action="kms:Decrypt", Resource=[KEY_ARN, "*"]),
        policy(INLINE, Action="kms:Decrypt", NotResource=KEY_ARN),
        policy(INLINE, Action="kms:Decrypt", Resource="arn:aws:kms:ap-northeast-1:123456789012:key/*"),
        policy(INLINE, Action="sns:Publish", Resource="arn:aws:sns:ap-northeast-1:123456789012:*"),
        policy(INLINE, Action="s3:GetObject", Resource="arn:aws:s3:::*/*"),
        *each(documents.IDENTITY_POLICIES, documents.ENDPOINT_POLICIES, Action="kms:Decrypt", Resource="*"),
    ),
    "TXMON.7": case(
        policy(documents.KEY, Principal="*", Condition={"StringEquals": {"kms:CallerAccount": ACCOUNT}}),
        *each(documents.TRUST_POLICIES, documents.RESOURCE_POLICIES, Principal={"AWS": "*"}),
        policy(QUEUE_POLICY, Principal="*", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        policy(documents.ROLE, documents.TRUST_POLICIES, NotPrincipal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        *(policy(QUEUE, Principal="*", Condition=condition) for condition in unrestricted("aws:PrincipalAccount")),
    ),
    "TXMON.8": case(
        deputy(documents.ROLE, {"StringEquals": {"aws:SourceAccount": ACCOUNT}}),
        deputy(documents.ROLE, {}, "lambda.amazonaws.com", "vpc-flow-logs.amazonaws.com"),
        *(deputy(documents.ROLE, condition) for condition in unrestricted("aws:SourceAccount")),
        *(deputy(kind, {}, "lambda.amazonaws.com") for kind in documents.RESOURCE_POLICIES),
    ),
    "TXMON.9": case(
        denial(QUEUE_POLICY, "sqs"),
        *(
            denial(QUEUE_POLICY, "sqs", **change)
            for change in (
                {"Effect": "Allow"},
                {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/one"}},
                {"Principal": None, "NotPrincipal": "*"},
                {"Action": ["sqs:SendMessage", "sqs:ReceiveMessage"]},
                {"Action": None, "NotAction": "sqs:SendMessage"},
                {"Resource": f"arn:aws:sqs:ap-northeast-1:{ACCOUNT}:another"},
                {"Resource": None, "NotResource": f"arn:aws:sqs:ap-northeast-1:{ACCOUNT}:another"},
                {"Condition": {}},
                {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
                {"Condition": {"Null": {"aws:SecureTransport": "false"}}},
                {"Condition": {"StringEquals": {"aws:SecureTransport": "false"}}},
                {"Condition": OVER_PLAIN_HTTP | {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}},
            )
        ),
        *(
            denial(documents.STREAM_POLICY, "kinesis", Action=[f"kinesis:{each}" for each in lacking])
            for lacking in combinations(("PutRecord", "PutRecords", "GetRecords", "GetShardIterator"), 3)
        ),
        denial(TOPIC_POLICY, "sns", Action="sns:Subscribe"),
        *each(documents.TLS_POLICIES, Principal={"Service": "events.amazonaws.com"}),
    ),
    "TXMON.10": setting(
        ATTACHMENT,
        {"policyArn": "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"},
        {"policyArn": "arn:aws:iam::aws:policy/AmazonKinesisFullAccess"},
        {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        {"policyArn": "arn:aws:iam::aws:policy/CloudWatchFullAccessV2"},
        {"policyArn": "arn:aws:iam::aws:policy/PowerUserAccess"},
    ).and_violating(
        resource(documents.ROLE, managedPolicyArns=[READ_ONLY, "arn:aws:iam::aws:policy/AdministratorAccess"]),
        *(
            resource(kind, **{key: "arn:aws:iam::aws:policy/AWSLambda_FullAccess"})
            for kind, key in access.ATTACHMENTS.items()
        ),
    ),
    "TXMON.11": case(
        resource(documents.ROLE),
        resource("aws:iam/user:User"),
        resource("aws:iam/accessKey:AccessKey"),
        resource("aws:iam/userLoginProfile:UserLoginProfile"),
    ),
    "TXMON.12": setting(
        documents.ROLE,
        {"permissionsBoundary": "arn:aws:iam::123456789012:policy/p"},
        {},
        {"permissionsBoundary": READ_ONLY},
    ),
    "KMS.3": setting(documents.KEY, {}, {"deletionWindowInDays": 29}),
    "KMS.4": setting(documents.KEY, {"enableKeyRotation": True}, {"enableKeyRotation": False}, {}),
    "SecretsManager.1": case(resource("aws:ssm/parameter:Parameter"), resource(documents.SECRET)),
    "SecretsManager.4": setting(
        ROTATION,
        {"rotationRules": {"automaticallyAfterDays": 90}},
        {"rotationRules": {"automaticallyAfterDays": 91}},
        {},
    ),
    "TXMON.13": setting(documents.SECRET, {}, {"recoveryWindowInDays": 0}),
    "TXMON.14": setting(documents.SECRET, {"kmsKeyId": KEY_ARN}, {"kmsKeyId": AWS_KEY}, {}),
    "TXMON.15": case(
        resource(databases.POSTGRES, passwordWo="x"),
        resource(databases.POSTGRES, password="x"),
        resource(databases.REDIS, authToken="x"),
        resource("aws:secretsmanager/secretVersion:SecretVersion", secretString="x"),
        resource("aws:secretsmanager/secretVersion:SecretVersion", secretBinary="x"),
    ),
    "RDS.2": setting(databases.POSTGRES, {}, {"publiclyAccessible": True}),
    "Backup.1": setting(
        "aws:backup/vault:Vault",
        {"kmsKeyArn": KEY_ARN},
        {},
        {"kmsKeyArn": AWS_KEY},
    ),
    "RDS.3": setting(
        databases.POSTGRES,
        {"storageEncrypted": True, "kmsKeyId": KEY_ARN},
        {"storageEncrypted": True},
        {"storageEncrypted": True, "kmsKeyId": AWS_KEY},
        {"kmsKeyId": KEY_ARN},
    ),
    "RDS.5": setting(databases.POSTGRES, {"multiAz": True}, {}),
    "RDS.6": setting(databases.POSTGRES, {"monitoringInterval": 60}, {"monitoringInterval": 0}, {}),
    "RDS.8": setting(databases.POSTGRES, {"deletionProtection": True}, {}),
    "RDS.9": setting(
        databases.POSTGRES,
        {"enabledCloudwatchLogsExports": ["upgrade", "postgresql"]},
        {"enabledCloudwatchLogsExports": ["postgresql"]},
        {},
    ),
    "RDS.10": setting(databases.POSTGRES, {"iamDatabaseAuthenticationEnabled": True}, {}),
    "RDS.11": setting(databases.POSTGRES, {"backupRetentionPeriod": 7}, {"backupRetentionPeriod": 6}, {}),
    "RDS.13": setting(databases.POSTGRES, {}, {"autoMinorVersionUpgrade": False}),
    "RDS.17": setting(databases.POSTGRES, {"copyTagsToSnapshot": True}, {}),
    "RDS.25": setting(databases.POSTGRES, {"username": "txadmin"}, {"username": "postgres"}),
    "RDS.36": setting(
        databases.POSTGRES,
        {"enabledCloudwatchLogsExports": ["postgresql"]},
        {"enabledCloudwatchLogsExports": ["upgrade"]},
        {},
    ),
    "RDS.38": setting(
        PARAMETERS,
        {"parameters": [{"name": "rds.force_ssl", "value": "1"}]},
        {"parameters": [{"name": "rds.force_ssl", "value": "0"}]},
        {},
    ),
    "TXMON.34": setting(
        PARAMETERS,
        {"parameters": NO_VALUES},
        {"parameters": NO_VALUES[1:]},
        {"parameters": [*NO_VALUES[1:], {"name": "log_parameter_max_length", "value": "-1"}]},
        {"parameters": [*NO_VALUES, {"name": "log_statement", "value": "ddl"}]},
        {},
    ),
    "TXMON.16": setting(
        databases.POSTGRES,
        {"deleteAutomatedBackups": False},
        {"deleteAutomatedBackups": False, "skipFinalSnapshot": True},
        {"skipFinalSnapshot": False},
    ),
    "TXMON.38": setting(
        databases.REDIS,
        {"logDeliveryConfigurations": [{"logType": "engine-log"}]},
        {"logDeliveryConfigurations": [{"logType": "engine-log"}, {"logType": "slow-log"}]},
    ),
    "ElastiCache.1": setting(databases.REDIS, {"snapshotRetentionLimit": 1}, {"snapshotRetentionLimit": 0}, {}),
    "ElastiCache.2": setting(databases.REDIS, {}, {"autoMinorVersionUpgrade": False}),
    "ElastiCache.3": setting(databases.REDIS, {"automaticFailoverEnabled": True}, {}),
    "ElastiCache.4": setting(
        databases.REDIS,
        {"atRestEncryptionEnabled": True, "kmsKeyId": KEY_ARN},
        {"atRestEncryptionEnabled": True},
        {"kmsKeyId": KEY_ARN},
    ),
    "ElastiCache.5": setting(
        databases.REDIS,
        {"transitEncryptionEnabled": True},
        {"transitEncryptionEnabled": True, "transitEncryptionMode": "preferred"},
        {},
    ),
    "ElastiCache.6": setting(databases.REDIS, {"authTokenWo": "x"}, {}),
    "ElastiCache.7": setting(databases.REDIS, {"subnetGroupName": "ours"}, {"subnetGroupName": "default"}, {}),
    "Kinesis.1": setting(
        documents.STREAM,
        {"encryptionType": "KMS", "kmsKeyId": KEY_ARN},
        {"encryptionType": "KMS", "kmsKeyId": "alias/aws/kinesis"},
        {"encryptionType": "NONE", "kmsKeyId": KEY_ARN},
    ),
    "Kinesis.3": setting(documents.STREAM, {"retentionPeriod": 168}, {"retentionPeriod": 167}, {}),
    "SQS.1": setting(QUEUE, {"kmsMasterKeyId": KEY_ARN}, {"kmsMasterKeyId": "alias/aws/sqs"}, {}),
    "SNS.1": setting(TOPIC, {"kmsMasterKeyId": KEY_ARN}, {}),
    "CloudWatch.15": setting(
        telemetry.ALARM, {"alarmActions": ["arn:aws:sns:::t"]}, {"alarmActions": []}, {}
    ).and_violating(resource(telemetry.COMPOSITE)),
    "CloudWatch.16": setting(telemetry.LOG_GROUP, {"retentionInDays": 365}, {"retentionInDays": 180}),
    "CloudWatch.17": case(
        resource(telemetry.ALARM),
        *(resource(kind, actionsEnabled=False) for kind in (telemetry.ALARM, telemetry.COMPOSITE)),
    ),
    "TXMON.17": setting(telemetry.LOG_GROUP, {"retentionInDays": 1}, {"retentionInDays": 0}, {}),
    "TXMON.18": setting(telemetry.LOG_GROUP, {"kmsKeyId": KEY_ARN}, {}),
    "TXMON.19": setting(telemetry.LOG_GROUP, {"deletionProtectionEnabled": True}, {}),
    "TXMON.20": setting(FLOW_LOG, {"maxAggregationInterval": 60}, {"maxAggregationInterval": 600}, {}),
    "TXMON.25": Case(
        resource(network.VPC, "vpc-prod"),
        (resource(network.VPC, "vpc-prod"),),
        others=(depending(DEFAULT_SECURITY_GROUP, "vpcId", network.VPC, "vpc-prod"),),
    ),
    "TXMON.26": setting(FLOW_LOG, {"trafficType": "ALL"}, {"trafficType": "ACCEPT"}, {}),
    "TXMON.27": Case(
        resource(QUEUE, "queue-prod"),
        (
            *(resource(kind) for kind in (QUEUE, TOPIC, documents.STREAM, documents.SECRET)),
            policy(TOPIC, Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Action="sns:Publish"),
        ),
        others=(depending(QUEUE_POLICY, "queueUrl", QUEUE, "queue-prod"),),
    ),
    "TXMON.28": case(
        resource(QUEUE),
        resource("aws:s3/bucket:Bucket"),
        resource("aws:rds/cluster:Cluster"),
        resource("aws:ec2/vpcPeeringConnection:VpcPeeringConnection"),
        resource("random:index/randomPassword:RandomPassword"),
        resource("pulumi-python:dynamic:Resource"),
    ),
    "TXMON.29": setting(telemetry.SUBSCRIPTION, {"protocol": "https"}, {"protocol": "http"}),
    "TXMON.30": setting(
        databases.POSTGRES,
        {"performanceInsightsEnabled": True, "performanceInsightsKmsKeyId": KEY_ARN},
        {"performanceInsightsEnabled": True},
        {"manageMasterUserPassword": True, "masterUserSecretKmsKeyId": "alias/aws/secretsmanager"},
    ),
    "TXMON.31": setting(QUEUE, {"messageRetentionSeconds": 60}, {}),
    "TXMON.32": case(
        policy(documents.KEY, Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        *each(
            documents.TRUST_POLICIES,
            documents.RESOURCE_POLICIES,
            Principal={"AWS": ["arn:aws:iam::210987654321:role/one"]},
        ),
        policy(QUEUE, Principal={"AWS": "210987654321"}),
        policy(QUEUE, Principal="*", Condition={"StringEquals": {"aws:PrincipalAccount": [ACCOUNT, "210987654321"]}}),
        deputy(TOPIC, {"StringEquals": {"aws:SourceAccount": "210987654321"}}),
    ),
    "TXMON.33": case(
        policy(ENDPOINT, Resource="*", Condition={"StringEquals": {"aws:ResourceAccount": ACCOUNT}}),
        *each(
            documents.ENDPOINT_POLICIES, Resource="*", Condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
        ),
        policy(ENDPOINT, NotResource="arn:aws:s3:::bucket/*"),
        *(policy(ENDPOINT, Resource="*", Condition=condition) for condition in unrestricted("aws:ResourceAccount")),
    ),
    "Lambda.2": setting(functions.FUNCTION, {"runtime": "python3.13"}, {"runtime": "python3.8"}, {}),
    "Lambda.3": setting(functions.FUNCTION, {"vpcConfig": {"securityGroupIds": ["sg-1"]}}, {"vpcConfig": {}}, {}),
    "Lambda.5": setting(
        functions.FUNCTION, {"vpcConfig": {"subnetIds": ["a", "b"]}}, {"vpcConfig": {"subnetIds": ["a"]}}
    ),
    "TXMON.35": setting(
        functions.FUNCTION, {"loggingConfig": {"logGroup": "/one"}}, {"loggingConfig": {"logFormat": "JSON"}}, {}
    ),
    "TXMON.36": setting(
        functions.FUNCTION,
        variables(DB_HOST="host", REDIS_SECRET_ARN=f"arn:aws:secretsmanager:ap-northeast-1:{ACCOUNT}:secret:s"),
        variables(DB_PASSWORD="one"),
        variables(REDIS_TOKEN="one"),
        variables(REDIS_SECRET_ARN="one"),
    ),
    "TXMON.37": setting(
        functions.MAPPING,
        GIVES_UP,
        GIVES_UP | {"maximumRetryAttempts": -1},
        GIVES_UP | {"maximumRecordAgeInSeconds": -1},
        GIVES_UP | {"destinationConfig": {}},
        {},
    ),
    "TXMON.21": setting(
        PROVIDER,
        {"defaultTags": json.dumps({"tags": TAGS})},
        {"defaultTags": {"tags": TAGS | {"Owner": ""}}},
        {},
    ),
    "TXMON.22": case(
        resource(QUEUE, "dead-letters-prod"),
        resource(QUEUE, "dead-letters"),
        resource(QUEUE, "dead-letters-dev"),
        resource(QUEUE, "DeadLetters-prod"),
    ),
    "TXMON.23": setting(
        documents.STREAM,
        {"name": "transaction-stream-prod"},
        {"name": "transaction-stream-dev"},
        {"name": "transaction-stream-production"},
    ).and_violating(*(resource(kind, **{key: "mine-prod"}) for kind, key in conventions.PHYSICAL_NAMES.items())),
    "TXMON.24": case(resource(documents.KEY, protect=True), *(resource(kind) for kind in conventions.STATEFUL)),
}


def sentences(rule: Rule, one: Resource, *others: Resource) -> list[str]:
    return [violation.sentence for violation in rule.violations(one, [one, *others])]


SECURITY_HUB_CONTROLS = {
    "RDS": (2, 3, 5, 6, 8, 9, 10, 11, 13, 17, 25, 36),
    "ElastiCache": (1, 2, 3, 4, 5, 6, 7),
    "Kinesis": (1, 3),
    "KMS": (3, 4),
    "SecretsManager": (1, 4),
    "EC2": (2, 6, 15, 18, 19),
    "CloudWatch": (15, 16, 17),
    "SNS": (1,),
    "SQS": (1,),
    "Lambda": (2, 3, 5),
    "IAM": (1, 21),
}
"""The Security Hub controls that apply to resources of the layers."""

REFUSED_TYPES = {"SecretsManager.1", "TXMON.11"}
"""Rules that every resource of their types violates."""


def test_every_applicable_security_hub_control_has_a_rule() -> None:
    assert {
        f"{service}.{number}" for service, numbers in SECURITY_HUB_CONTROLS.items() for number in numbers
    } <= RULES.keys()


def test_every_rule_has_a_case() -> None:
    assert CASES.keys() == RULES.keys()
    assert sum(len(rules) for rules in AREAS.values()) == len(RULES), "two rules have one id"
    for control, case in CASES.items():
        assert case.violating
        assert all(RULES[control].applies_to(one.type) for one in case.violating)
        assert RULES[control].applies_to(case.compliant.type) == (control not in REFUSED_TYPES)


def test_every_type_of_a_rule_has_a_case() -> None:
    """Without a case, a rule could have a type whose inputs it does not understand."""
    for control, rule in RULES.items():
        seen = {one.type for one in (CASES[control].compliant, *CASES[control].violating)}
        assert rule.types - seen == set(), control


@pytest.mark.parametrize("control", CASES)
def test_compliant_resource_passes(control: str) -> None:
    case = CASES[control]
    assert sentences(RULES[control], case.compliant, *case.others) == []


@pytest.mark.parametrize("control", CASES)
def test_violating_resource_fails_with_advice(control: str) -> None:
    for one in CASES[control].violating:
        [sentence] = sentences(RULES[control], one)
        assert sentence.startswith(f"{control} (")
        assert not sentence.endswith(": ")


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_rule_has_a_description_and_a_source_without_link(rule: Rule) -> None:
    assert rule.description.endswith(".")
    assert "\n" not in rule.description
    assert rule.source
    assert "://" not in rule.source


def test_rule_applies_to_its_types_only() -> None:
    assert sentences(RULES["RDS.8"], resource(QUEUE)) == []
    assert sentences(RULES["TXMON.22"], resource("txmon:data:Postgres", "wrong")) == []


@pytest.mark.parametrize(
    "compliant",
    [
        denial(TOPIC_POLICY, "sns", Action="sns:Publish"),
        denial(TOPIC, "sns", Resource="*"),
        denial(QUEUE, "sqs", Principal={"AWS": "*"}, Condition={"Bool": {"aws:securetransport": False}}),
        denial(documents.STREAM_POLICY, "kinesis", Action=["kinesis:Put*", "kinesis:Get*"]),
        denial(documents.SECRET_POLICY, "secretsmanager"),
    ],
    ids=lambda one: one.type,
)
def test_other_denials_without_tls_comply(compliant: Resource) -> None:
    assert sentences(RULES["TXMON.9"], compliant) == []


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"AWS:SourceAccount": [ACCOUNT]}},
        {"ArnLike": {"aws:SourceArn": f"arn:aws:events:*:{ACCOUNT}:rule/*"}},
        {"StringEquals": {"aws:SourceOwner": ACCOUNT}},
        {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
        {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
        {"StringEquals": {"kms:CallerAccount": ACCOUNT}},
        {"Null": {"aws:SourceAccount": "false"}, "StringLike": {"aws:PrincipalOrgID": "o-1"}},
    ],
    ids=str,
)
def test_other_restrictions_of_the_caller_comply(condition: dict[str, Any]) -> None:
    assert sentences(RULES["TXMON.7"], policy(QUEUE, Principal="*", Condition=condition)) == []


@pytest.mark.parametrize("control", ["EC2.6", "TXMON.25", "TXMON.27"])
def test_companion_of_another_resource_does_not_count(control: str) -> None:
    [other], compliant = CASES[control].others, CASES[control].compliant
    another = Resource(**{**vars(compliant), "name": "another-prod"})
    assert sentences(RULES[control], another, other, compliant)


@pytest.mark.parametrize(
    "allowed",
    [
        deputy(documents.ROLE, {}, "lambda.amazonaws.com", "ec2.amazonaws.com"),  # iam:PassRole restricts these
        deputy(TOPIC_POLICY, {"ArnEquals": {"aws:SourceArn": [SOURCE]}}, "events.amazonaws.com"),
        deputy(
            documents.KEY,
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:ap-northeast-1:{ACCOUNT}:log-group:*"}},
            "logs.ap-northeast-1.amazonaws.com",
        ),
    ],
    ids=lambda one: one.type,
)
def test_other_restrictions_of_a_service_comply(allowed: Resource) -> None:
    assert sentences(RULES["TXMON.8"], allowed) == []


def test_vpc_id_is_not_taken_for_an_account() -> None:
    condition = {"StringEquals": {"aws:SourceVpc": "vpc-01234567890123456"}}
    assert sentences(RULES["TXMON.32"], policy(QUEUE, Principal="*", Condition=condition)) == []


def test_any_account_complies_if_the_environment_states_none() -> None:
    one = CASES["TXMON.32"].violating[0]
    assert sentences(RULES["TXMON.32"], Resource(**{**vars(one), "accounts": frozenset()})) == []


def test_policy_may_be_an_input_known_or_not() -> None:
    assert sentences(RULES["TXMON.27"], denial(QUEUE, "sqs")) == []
    assert sentences(RULES["TXMON.27"], depending(QUEUE, "policy", documents.KEY, "kms-key-prod")) == []


def test_only_monitoring_needs_a_flow_log_without_a_vpc() -> None:
    monitoring, network_layer = (
        resource(PROVIDER, defaultTags={"tags": {"Layer": layer}}) for layer in ("monitoring", "network")
    )
    assert sentences(RULES["EC2.6"], monitoring, resource(FLOW_LOG, vpcId="vpc-1")) == []
    assert sentences(RULES["EC2.6"], network_layer) == []


def test_violation_in_a_policy_names_the_statement() -> None:
    assert ": It: " in sentences(RULES["TXMON.6"], CASES["TXMON.6"].violating[0])[0]


@pytest.mark.parametrize(
    ("changes", "covered"),
    [
        ({}, True),
        ({"resource": "th*"}, True),
        ({"control": "TXMON.5"}, False),
        ({"resource": "thing:Other"}, False),
        ({"resource": "other*"}, False),
        ({"production": False}, False),
    ],
    ids=str,
)
def test_exception_covers_what_it_names_only(changes: dict[str, Any], covered: bool) -> None:
    [violation] = RULES["TXMON.6"].violations(CASES["TXMON.6"].violating[0])
    named = {"control": "TXMON.6", "resource": "thing:It", "production": True, "reason": "a test"}
    assert Accepted(**named | changes).covers(violation) is covered


@pytest.mark.parametrize("control", ["RDS.3", "TXMON.4", "KMS.4", "Kinesis.3"])
def test_unknown_value_in_a_preview_is_no_violation(control: str) -> None:
    kind = CASES[control].compliant.type
    unknown = dict.fromkeys(("kmsKeyId", "policy", "enableKeyRotation", "retentionPeriod"), UNKNOWN_STRING_VALUE)
    assert sentences(RULES[control], resource(kind, storageEncrypted=True))
    seen = unknown_checking_proxy(unknown | {"storageEncrypted": True})
    assert sentences(RULES[control], Resource(kind, "thing-prod", seen)) == []
