"""What each role can and cannot do, tried with its own credentials on the emulator, which enforces IAM.

The real layers make the roles and their grants. Where the emulator differs from AWS, its simulator is asked in place
of the service. What it does not know at all is a service's own use of a key on a role's behalf, and who may assume a
role; the unit tests of streaming, data and security read those statements.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.local

REFUSALS = {"AccessDenied", "AccessDeniedException", "AccessDenied.Sender"}

ROLES = {
    "producer": "kinesis-producer-role-local",
    "consumer": "kinesis-role-local",
    "migrator": "processing-migrator-role-local",
    "flow logs": "flow-log-role-local",
    "rds monitoring": "rds-monitoring-role-local",
}

RECORD = {"Data": b"{}", "PartitionKey": "1"}
OURS = {"StreamName": "transaction-stream-local"}
OTHER = {"StreamName": "another-stream"}
ITERATOR = {"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
LOGS = {"logGroupName": "/aws/transaction-monitoring/local"}
FLOW_LOGS = {"logGroupName": "/aws/transaction-monitoring/local/flow-logs"}
OTHER_LOGS = {"logGroupName": "/another"}
ENHANCED_MONITORING = {"logGroupName": "RDSOSMetrics"}
DATABASE_SECRET = {"SecretId": "{database_secret}"}
REDIS_SECRET = {"SecretId": "{redis_secret}"}
OTHER_SECRET = {"SecretId": "{other_secret}"}
DEAD_LETTERS = {"QueueUrl": "{dead_letters}"}
OTHER_QUEUE = {"QueueUrl": "{other_queue}"}
MESSAGE = {"MessageBody": "{{}}"}
DATA_KEY = {"KeySpec": "AES_256"}
POLICY = {"PolicyName": "more", "PolicyDocument": '{{"Version": "2012-10-17", "Statement": []}}'}

ALLOWED = [
    ("producer", "kinesis.put_record", OURS | RECORD),
    ("producer", "kinesis.put_records", OURS | {"Records": [RECORD]}),
    ("producer", "kinesis.describe_stream_summary", OURS),
    ("producer", "kinesis.list_shards", OURS),
    ("consumer", "kinesis.describe_stream", OURS),
    ("consumer", "kinesis.describe_stream_summary", OURS),
    ("consumer", "kinesis.list_shards", OURS),
    ("consumer", "kinesis.list_streams", {}),
    ("consumer", "kinesis.get_shard_iterator", OURS | ITERATOR),
    ("consumer", "kinesis.get_records", {"ShardIterator": "{iterator}", "StreamARN": "{stream}"}),
    ("consumer", "sqs.send_message", DEAD_LETTERS | MESSAGE),
    ("consumer", "secretsmanager.get_secret_value", REDIS_SECRET),
    ("consumer", "secretsmanager.describe_secret", REDIS_SECRET),
    ("migrator", "secretsmanager.get_secret_value", DATABASE_SECRET),
    ("migrator", "secretsmanager.get_secret_value", REDIS_SECRET),
    ("migrator", "secretsmanager.describe_secret", DATABASE_SECRET),
    ("flow logs", "logs.create_log_stream", FLOW_LOGS | {"logStreamName": "eni"}),
    ("flow logs", "logs.describe_log_streams", FLOW_LOGS),
    ("flow logs", "logs.describe_log_groups", {}),
    ("rds monitoring", "logs.create_log_group", ENHANCED_MONITORING),
    ("rds monitoring", "logs.put_retention_policy", ENHANCED_MONITORING | {"retentionInDays": 30}),
]

DENIED = [
    # The producer reads nothing.
    ("producer", "kinesis.get_shard_iterator", OURS | ITERATOR),
    ("producer", "kinesis.get_records", {"ShardIterator": "{iterator}", "StreamARN": "{stream}"}),
    ("producer", "kinesis.describe_stream", OURS),
    ("producer", "secretsmanager.get_secret_value", DATABASE_SECRET),
    ("producer", "secretsmanager.get_secret_value", REDIS_SECRET),
    ("producer", "sqs.send_message", DEAD_LETTERS | MESSAGE),
    # The consumer puts nothing on the stream, and takes nothing back from the queue.
    ("consumer", "kinesis.put_record", OURS | RECORD),
    ("consumer", "kinesis.put_records", OURS | {"Records": [RECORD]}),
    ("consumer", "sqs.receive_message", DEAD_LETTERS),
    ("consumer", "sqs.purge_queue", DEAD_LETTERS),
    ("consumer", "secretsmanager.get_secret_value", DATABASE_SECRET),
    ("consumer", "secretsmanager.put_secret_value", REDIS_SECRET | {"SecretString": "mine"}),
    # The migrator touches no transaction on its way.
    ("migrator", "kinesis.put_record", OURS | RECORD),
    ("migrator", "kinesis.get_shard_iterator", OURS | ITERATOR),
    ("migrator", "sqs.send_message", DEAD_LETTERS | MESSAGE),
    ("migrator", "secretsmanager.put_secret_value", DATABASE_SECRET | {"SecretString": "mine"}),
    ("migrator", "secretsmanager.get_secret_value", OTHER_SECRET),
    ("migrator", "kms.decrypt", {"CiphertextBlob": "{ciphertext}"}),
    # Another stream, queue, secret, key, log group.
    *(
        (role, call, arguments)
        for role in ("producer", "consumer")
        for call, arguments in (
            ("kinesis.put_record", OTHER | RECORD),
            ("kinesis.get_shard_iterator", OTHER | ITERATOR),
            ("kinesis.describe_stream", OTHER),
            ("kinesis.describe_stream_summary", OTHER),
            ("sqs.send_message", OTHER_QUEUE | MESSAGE),
            ("secretsmanager.get_secret_value", OTHER_SECRET),
            ("kms.generate_data_key", {"KeyId": "{other_key}"} | DATA_KEY),
            ("kms.decrypt", {"CiphertextBlob": "{other_ciphertext}"}),
            ("logs.create_log_stream", OTHER_LOGS | {"logStreamName": role}),
        )
    ),
    ("flow logs", "logs.create_log_stream", LOGS | {"logStreamName": "eni"}),
    # A key of ours, past the service that it is for.
    ("producer", "kms.generate_data_key", {"KeyId": "{stream_key}"} | DATA_KEY),
    ("consumer", "kms.generate_data_key", {"KeyId": "{stream_key}"} | DATA_KEY),
    ("producer", "kms.decrypt", {"CiphertextBlob": "{ciphertext}"}),
    ("consumer", "kms.decrypt", {"CiphertextBlob": "{ciphertext}"}),
    # Administration.
    *(
        (role, call, arguments)
        for role in ("producer", "consumer")
        for call, arguments in (
            ("kinesis.delete_stream", OURS),
            ("kinesis.decrease_stream_retention_period", OURS | {"RetentionPeriodHours": 24}),
            ("kms.schedule_key_deletion", {"KeyId": "{stream_key}"}),
            ("secretsmanager.delete_secret", DATABASE_SECRET),
            ("logs.delete_log_group", LOGS),
            ("iam.put_role_policy", {"RoleName": ROLES[role]} | POLICY),
            ("rds.delete_db_instance", {"DBInstanceIdentifier": "txdb-local", "SkipFinalSnapshot": True}),
        )
    ),
    ("rds monitoring", "kinesis.list_streams", {}),
    ("rds monitoring", "logs.create_log_group", {"logGroupName": "/mine"}),
    ("rds monitoring", "logs.delete_log_group", ENHANCED_MONITORING),
    ("rds monitoring", "secretsmanager.get_secret_value", DATABASE_SECRET),
    ("flow logs", "kinesis.put_record", OURS | RECORD),
    ("flow logs", "secretsmanager.get_secret_value", DATABASE_SECRET),
]

GROUP = "arn:aws:logs:ap-northeast-1:000000000000:log-group:/aws/transaction-monitoring/local"
STREAM = "log-stream:one"
MONITORED = "arn:aws:logs:ap-northeast-1:000000000000:log-group:RDSOSMetrics"
DATABASE_USER = "arn:aws:rds-db:ap-northeast-1:000000000000:dbuser"
REACHES = [
    # AWS asks for the log stream, the emulator for the group.
    ("producer", "logs:CreateLogStream", f"{GROUP}:{STREAM}"),
    ("producer", "logs:PutLogEvents", f"{GROUP}:{STREAM}"),
    *(
        (role, f"logs:{action}", f"{GROUP}/processing:{STREAM}")
        for role in ("consumer", "migrator")
        for action in ("CreateLogStream", "PutLogEvents")
    ),
    ("flow logs", "logs:PutLogEvents", f"{GROUP}/flow-logs:{STREAM}"),
    # There is no registered consumer, no Enhanced Monitoring, no network interface of a function.
    ("consumer", "kinesis:SubscribeToShard", "{stream}/consumer/one:1"),
    ("rds monitoring", "logs:CreateLogStream", f"{MONITORED}:{STREAM}"),
    ("rds monitoring", "logs:PutLogEvents", f"{MONITORED}:{STREAM}"),
    ("consumer", "rds-db:connect", f"{DATABASE_USER}:{{database}}/tx_consumer"),
    ("consumer", "kinesis:DescribeStreamConsumer", "{stream}/consumer/one:1"),
    ("migrator", "rds-db:connect", f"{DATABASE_USER}:{{database}}/tx_consumer"),
    ("migrator", "rds-db:connect", f"{DATABASE_USER}:{{database}}/txadmin"),
    *(
        (role, f"ec2:{action}", "*")
        for role in ("consumer", "migrator")
        for action in (
            "CreateNetworkInterface",
            "DescribeNetworkInterfaces",
            "DescribeSubnets",
            "DeleteNetworkInterface",
            "AssignPrivateIpAddresses",
            "UnassignPrivateIpAddresses",
        )
    ),
]
BEYOND = [
    ("producer", "kinesis:SubscribeToShard", "{stream}/consumer/one:1"),
    (
        "consumer",
        "kinesis:SubscribeToShard",
        "arn:aws:kinesis:ap-northeast-1:000000000000:stream/another/consumer/one:1",
    ),
    ("rds monitoring", "logs:PutLogEvents", f"{GROUP}:{STREAM}"),
    ("producer", "logs:PutLogEvents", f"{GROUP}/flow-logs:{STREAM}"),
    ("producer", "logs:PutLogEvents", f"{GROUP}/processing:{STREAM}"),
    ("consumer", "logs:PutLogEvents", f"{GROUP}:{STREAM}"),
    ("consumer", "logs:GetLogEvents", f"{GROUP}/processing:{STREAM}"),
    ("migrator", "logs:PutLogEvents", f"{GROUP}:{STREAM}"),
    ("flow logs", "logs:PutLogEvents", f"{GROUP}:{STREAM}"),
    ("consumer", "rds-db:connect", f"{DATABASE_USER}:{{database}}/txadmin"),
    ("consumer", "rds-db:connect", f"{DATABASE_USER}:db-2/tx_consumer"),
    ("migrator", "rds-db:connect", f"{DATABASE_USER}:{{database}}/tx_operator"),
    ("producer", "rds-db:connect", f"{DATABASE_USER}:{{database}}/tx_consumer"),
    ("producer", "ec2:CreateNetworkInterface", "*"),
    ("consumer", "ec2:RunInstances", "*"),
    # Keys only through the services that they are for: the simulator is told of none.
    ("producer", "kms:GenerateDataKey", "{stream_key}"),
    ("consumer", "kms:Decrypt", "{stream_key}"),
]


@pytest.fixture(scope="module")
def things(deployed) -> dict[str, Any]:
    """What the tables name in braces: things of ours, and others of the same kind, made by the account's root."""
    outputs = deployed.outputs()
    security = outputs["security"]
    kinesis, kms = deployed.client("kinesis"), deployed.client("kms")
    secrets = deployed.client("secretsmanager")
    kinesis.create_stream(**OTHER, ShardCount=1)
    deployed.client("logs").create_log_group(**OTHER_LOGS)
    other_key = kms.create_key()["KeyMetadata"]["KeyId"]
    return {
        "stream": outputs["streaming"]["kinesis_stream_arn"],
        "database": outputs["data"]["rds_resource_id"],
        "iterator": kinesis.get_shard_iterator(**OURS, **ITERATOR)["ShardIterator"],
        "dead_letters": outputs["streaming"]["dead_letter_queue_url"],
        "other_queue": deployed.client("sqs").create_queue(QueueName="another")["QueueUrl"],
        "database_secret": security["db_secret_arn"],
        "redis_secret": security["redis_secret_arn"],
        "other_secret": secrets.create_secret(Name="another", SecretString="x")["ARN"],
        "stream_key": security["stream_key_arn"],
        "other_key": other_key,
        "ciphertext": kms.encrypt(KeyId=security["secrets_key_arn"], Plaintext=b"x")["CiphertextBlob"],
        "other_ciphertext": kms.encrypt(KeyId=other_key, Plaintext=b"x")["CiphertextBlob"],
    }


AWS_S_OWN = {"rds monitoring": {"logs:DescribeLogStreams", "logs:GetLogEvents"}}
"""Actions of the policy below that nothing here depends on: it is AWS's, whole."""

RDS_ENHANCED_MONITORING = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:PutRetentionPolicy"],
            "Resource": ["arn:aws:logs:*:*:log-group:RDS*"],
        },
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams", "logs:GetLogEvents"],
            "Resource": ["arn:aws:logs:*:*:log-group:RDS*:log-stream:*"],
        },
    ],
}
"""AmazonRDSEnhancedMonitoringRole (AWS Managed Policy Reference)."""


@pytest.fixture(scope="module")
def acting_as(deployed) -> Callable[..., Any]:
    """Makes clients with a role's credentials.

    The roles trust AWS services, on behalf of resources that do not exist here: the root is let in for the test.
    """
    iam, sts = deployed.client("iam"), deployed.client("sts")
    credentials = {}
    # AWS's own policy, which the emulator does not hold: what is proven is that the boundary lets it through.
    iam.put_role_policy(
        RoleName=ROLES["rds monitoring"], PolicyName="aws", PolicyDocument=json.dumps(RDS_ENHANCED_MONITORING)
    )
    for role, name in ROLES.items():
        arn = iam.get_role(RoleName=name)["Role"]["Arn"]
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)
        given = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        credentials[role] = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }

    def client(role: str, service: str, *, tls: bool = True) -> Any:
        made = deployed.client(service, **credentials[role])
        if not tls:  # as a proxy in front of the emulator would say it
            made.meta.events.register("before-send", without_tls)
        return made

    return client


def without_tls(request: Any, **_: Any) -> None:
    request.headers["X-Forwarded-Proto"] = "http"


def attempt(
    client: Callable[..., Any], things: dict[str, Any], role: str, call: str, arguments: dict, **way: bool
) -> str | None:
    """The code of the refusal, or None when the call was allowed."""
    service, operation = call.split(".")
    filled = {key: fill(value, things) for key, value in arguments.items()}
    try:
        getattr(client(role, service, **way), operation)(**filled)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def fill(value: Any, things: dict[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    named = value.removeprefix("{").removesuffix("}")
    return things[named] if named in things else value.format(**things)


@pytest.mark.parametrize(("role", "call", "arguments"), ALLOWED)
def test_a_role_can_do_what_it_is_for(acting_as, things, role: str, call: str, arguments: dict) -> None:
    assert attempt(acting_as, things, role, call, arguments) is None


@pytest.mark.parametrize(("role", "call", "arguments"), DENIED)
def test_a_role_can_do_nothing_else(acting_as, things, role: str, call: str, arguments: dict) -> None:
    assert attempt(acting_as, things, role, call, arguments) in REFUSALS


def simulate(clone: Any, role: str, action: str, resource: str) -> str:
    iam = clone.client("iam")
    [result] = iam.simulate_principal_policy(
        PolicySourceArn=iam.get_role(RoleName=ROLES[role])["Role"]["Arn"],
        ActionNames=[action],
        ResourceArns=[resource],
    )["EvaluationResults"]
    return str(result["EvalDecision"])


THROUGH_SERVICES = {"kms:Decrypt", "kms:GenerateDataKey"}
"""Tried in tests/shared/policies/test_key_use.py: the emulator's services use no keys on a role's behalf."""


@pytest.mark.parametrize("role", ROLES)
def test_all_that_a_role_is_granted_is_tried(deployed, acting_as, role: str) -> None:
    iam, name = deployed.client("iam"), ROLES[role]
    granted = {
        action
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        for statement in iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }
    called = {f"{call.split('.')[0]}:{camel(call.split('.')[1])}" for actor, call, _ in ALLOWED if actor == role}
    tried = called | {action for actor, action, _ in REACHES if actor == role}
    assert granted - tried - THROUGH_SERVICES == AWS_S_OWN.get(role, set())


def test_every_role_of_the_system_is_tried(deployed) -> None:
    made = {role["RoleName"] for role in deployed.client("iam").list_roles()["Roles"]}
    assert made == set(ROLES.values())


def camel(operation: str) -> str:
    """`PutRecord` for `put_record`."""
    return "".join(word.capitalize() for word in operation.split("_"))


@pytest.mark.usefixtures("acting_as")
@pytest.mark.parametrize(("role", "action", "resource"), REACHES)
def test_a_grant_reaches_what_it_is_for(deployed, things, role: str, action: str, resource: str) -> None:
    assert simulate(deployed, role, action, fill(resource, things)) == "allowed"


@pytest.mark.parametrize(("role", "action", "resource"), BEYOND)
def test_a_grant_reaches_no_further(deployed, things, role: str, action: str, resource: str) -> None:
    assert simulate(deployed, role, action, fill(resource, things)) == "implicitDeny"


@pytest.mark.parametrize(
    ("role", "call", "arguments"),
    [
        ("producer", "kinesis.put_record", OURS | {"PartitionKey": "1", "Data": b"{}"}),
        ("consumer", "kinesis.get_shard_iterator", OURS | ITERATOR),
        ("consumer", "secretsmanager.get_secret_value", REDIS_SECRET),
        ("migrator", "secretsmanager.get_secret_value", DATABASE_SECRET),
        ("consumer", "sqs.send_message", {"QueueUrl": "{dead_letters}", "MessageBody": "x"}),
    ],
)
def test_what_a_role_may_do_it_may_over_tls_only(acting_as, things, role: str, call: str, arguments: dict) -> None:
    assert attempt(acting_as, things, role, call, arguments, tls=False) in REFUSALS
    assert attempt(acting_as, things, role, call, arguments) is None


@pytest.fixture
def administrator(deployed) -> Iterator[None]:
    """Somebody grants everything to the producer."""
    iam, name = deployed.client("iam"), ROLES["producer"]
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_role_policy(
        RoleName=name,
        PolicyName="everything",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
    )
    yield
    iam.delete_role_policy(RoleName=name, PolicyName="everything")


@pytest.mark.usefixtures("administrator")
def test_the_boundary_holds_whatever_is_granted(acting_as, things) -> None:
    refused = [
        ("iam.create_user", {"UserName": "mallory"}),
        ("iam.put_role_policy", {"RoleName": ROLES["producer"]} | POLICY),
        ("kinesis.delete_stream", OURS),
        ("kms.schedule_key_deletion", {"KeyId": "{stream_key}"}),
        ("secretsmanager.delete_secret", DATABASE_SECRET),
        ("secretsmanager.get_secret_value", OTHER_SECRET),
    ]
    for call, arguments in refused:
        assert attempt(acting_as, things, "producer", call, arguments) in REFUSALS, call
    assert attempt(acting_as, things, "producer", "kinesis.get_shard_iterator", OURS | ITERATOR) is None
