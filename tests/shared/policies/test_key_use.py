"""The conditions under which roles and AWS services use keys and publish to the topic.

The emulator's services use no keys and send no notifications, so no end-to-end test reaches these conditions. The
emulator's policy evaluator checks them here, with the context that the real service would send.
"""

from collections.abc import Callable

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate, evaluate_resource_policy, parse_policy_document

from shared.graph import LAYERS
from shared.policies import documents
from shared.policies.resource import Resource
from tools.orchestrator.repository.environments import known_environments
from tools.txmon.monorepo import MONOREPO

KEY, TOPIC_POLICY = documents.KEY, documents.TOPIC_POLICY
HERE = "ap-northeast-1:123456789012"
OURS = "transaction-monitoring"
ROLES = {
    "producer": "kinesis_producer_role_name",
    "consumer": "kinesis_role_name",
    "migrator": "migrator_role_name",
}

every_environment = pytest.mark.parametrize("env", known_environments(MONOREPO))


def request(action: str, resource: str, context: dict[str, str]) -> EvalContext:
    """Return a request by a role of another account, which the statement for the account's root does not cover."""
    return EvalContext(
        principal_arn="arn:aws:iam::210987654321:role/one",
        principal_type="AssumedRole",
        principal_account="210987654321",
        action=action,
        resource_arn=resource,
        region="ap-northeast-1",
        source_ip="10.0.0.1",
        secure_transport=True,
        service_context={key.lower(): value for key, value in context.items()},
    )


def permits(policy: str, action: str, context: dict[str, str], service: str | None = None) -> bool:
    """Return whether a resource policy allows a request of a service or of a principal that meets its conditions."""
    [resource, *_] = documents.as_list(documents.statements(policy)[0]["Resource"])
    result = evaluate_resource_policy(policy, request(action, resource, context), service)
    return bool(result.decision == "Allow")


@pytest.fixture(scope="session")
def granted(run_layer) -> Callable[[str, str], list[str]]:
    """Return a function from role and environment to the policies that all layers attach to the role."""

    def to(role: str, env: str) -> list[str]:
        runs = [run_layer(layer, env) for layer in LAYERS]
        name = run_layer("data", env).upstream["security"][ROLES[role]]
        return [
            document
            for run in runs
            for one in run.resources
            if one.inputs.get("role") == name
            for document in documents.documents(Resource(one.typ, one.name, one.inputs), documents.IDENTITY_POLICIES)
        ]

    return to


def through(service: str, **context: str) -> dict[str, str]:
    named = {f"kms:EncryptionContext:{key.replace('_', ':')}": value for key, value in context.items()}
    return {"kms:ViaService": f"{service}.ap-northeast-1.amazonaws.com", **named}


FOR_STREAM = through("kinesis", aws_kinesis_arn="{stream}")
FOR_ANOTHER = through("kinesis", aws_kinesis_arn=f"arn:aws:kinesis:{HERE}:stream/another")
FOR_SECRET = through("secretsmanager", SecretARN="{redis_secret_arn}")
FOR_ANOTHER_SECRET = through("secretsmanager", SecretARN=f"arn:aws:secretsmanager:{HERE}:secret:another-a1B2c3")
ENCRYPT, DECRYPT = "kms:GenerateDataKey", "kms:Decrypt"

Row = tuple[str, str, str, dict[str, str]]

ALLOWED: list[Row] = [
    ("producer", ENCRYPT, "stream_key_arn", FOR_STREAM),
    ("consumer", DECRYPT, "stream_key_arn", FOR_STREAM),
    ("consumer", DECRYPT, "secrets_key_arn", FOR_SECRET),
    ("migrator", DECRYPT, "secrets_key_arn", FOR_SECRET),
    ("consumer", ENCRYPT, "telemetry_key_arn", through("sqs")),
    ("consumer", DECRYPT, "telemetry_key_arn", through("sqs")),
]
DENIED: list[Row] = [
    # The producer may not read, the consumer may not write.
    ("producer", DECRYPT, "stream_key_arn", FOR_STREAM),
    ("consumer", ENCRYPT, "stream_key_arn", FOR_STREAM),
    ("producer", DECRYPT, "secrets_key_arn", FOR_SECRET),
    ("migrator", DECRYPT, "stream_key_arn", FOR_STREAM),
    ("migrator", ENCRYPT, "telemetry_key_arn", through("sqs")),
    ("producer", ENCRYPT, "telemetry_key_arn", through("sqs")),
    # For another stream or secret, through another service, and directly.
    ("producer", ENCRYPT, "stream_key_arn", FOR_ANOTHER),
    ("consumer", DECRYPT, "stream_key_arn", FOR_ANOTHER),
    ("consumer", DECRYPT, "secrets_key_arn", FOR_ANOTHER_SECRET),
    ("consumer", DECRYPT, "secrets_key_arn", through("secretsmanager", SecretARN="{db_secret_arn}")),
    ("migrator", DECRYPT, "secrets_key_arn", FOR_ANOTHER_SECRET),
    ("producer", ENCRYPT, "stream_key_arn", through("sqs", aws_kinesis_arn="{stream}")),
    ("consumer", DECRYPT, "secrets_key_arn", through("kinesis", SecretARN="{redis_secret_arn}")),
    *((role, action, "stream_key_arn", {}) for role in ROLES for action in (ENCRYPT, DECRYPT)),
    # Another key.
    *((role, action, "kms_key_arn", through("rds")) for role in ROLES for action in (ENCRYPT, DECRYPT)),
]


@every_environment
@pytest.mark.parametrize(
    ("row", "expected"), [*((row, "Allow") for row in ALLOWED), *((row, "ImplicitDeny") for row in DENIED)]
)
def test_role_uses_keys_for_its_purpose_only(run_layer, granted, env: str, row: Row, expected: str) -> None:
    role, action, key, context = row
    stream = run_layer("streaming", env)
    known = stream.upstream["security"] | {"stream": stream.exports["kinesis_stream_arn"]}
    sent = {name: value.format(**known) for name, value in context.items()}
    policies = [parse_policy_document(each) for each in granted(role, env)]
    assert evaluate(request(action, known[key], sent), policies).decision == expected


ALARM = f"arn:aws:cloudwatch:{HERE}:alarm:{OURS}-{{env}}/x"
ALARM_OF_ANOTHER = f"arn:aws:cloudwatch:{HERE}:alarm:{OURS}-{{env}}-2/x"
OWN, OTHER = {"aws:SourceAccount": "123456789012"}, {"aws:SourceAccount": "210987654321"}
LOG_GROUP = f"arn:aws:logs:{HERE}:log-group:"

SERVICES = [
    ("cloudwatch", OWN | {"aws:SourceArn": ALARM}, True),
    ("cloudwatch", OTHER | {"aws:SourceArn": ALARM}, False),
    ("cloudwatch", OWN | {"aws:SourceArn": ALARM_OF_ANOTHER}, False),
    ("cloudwatch", OWN | {"aws:SourceArn": f"arn:aws:cloudwatch:{HERE}:alarm:other"}, False),
    ("cloudwatch", {}, False),
    ("events.rds", OWN, True),
    ("events.rds", OTHER, False),
    ("events.rds", {}, False),
    ("sns", OWN, False),
]
"""Service, the context that says on whose behalf it acts, and whether it is allowed."""


@every_environment
@pytest.mark.parametrize(("service", "context", "expected"), SERVICES)
def test_services_publish_and_encrypt_for_this_system_only(
    run_layer, env: str, service: str, context: dict[str, str], expected: bool
) -> None:
    sent = {key: value.format(env=env) for key, value in context.items()}
    key = run_layer("security", env).one(KEY, f"telemetry-kms-key-{env}")["policy"]
    topic = run_layer("monitoring", env).one(TOPIC_POLICY, f"alerts-topic-policy-{env}")["policy"]
    assert permits(key, ENCRYPT, sent, f"{service}.amazonaws.com") is expected
    assert permits(topic, "sns:Publish", sent, f"{service}.amazonaws.com") is expected


@every_environment
def test_topic_accepts_events_of_its_own_rules_only(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)

    def accepts(topic: str, rule: str) -> bool:
        sent = {"aws:SourceArn": f"arn:aws:test:{HERE}:{rule}"}
        policy = run.one(TOPIC_POLICY, f"{topic}-policy-{env}")["policy"]
        return permits(policy, "sns:Publish", sent, "events.amazonaws.com")

    targets = [each.inputs for each in run.all("aws:cloudwatch/eventTarget:EventTarget")]
    assert targets
    for target in targets:
        topic = target["arn"].rpartition(":")[2].removesuffix(f"-{env}")
        assert accepts(topic, target["rule"])
        assert not accepts(topic, "another")


@every_environment
@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (f"/aws/{OURS}/{{env}}", True),
        (f"/aws/{OURS}/{{env}}/flow-logs", True),
        ("/aws/rds/instance/txdb-{env}/postgresql", True),
        (f"/aws/{OURS}/{{env}}-2", False),
        ("/another", False),
    ],
)
def test_logs_are_encrypted_for_own_log_groups_only(run_layer, env: str, group: str, expected: bool) -> None:
    key = run_layer("security", env).one(KEY, f"telemetry-kms-key-{env}")["policy"]
    sent = {"kms:EncryptionContext:aws:logs:arn": LOG_GROUP + group.format(env=env)}
    assert permits(key, ENCRYPT, sent, "logs.ap-northeast-1.amazonaws.com") is expected


KEY_USE: list[tuple[str, str, dict[str, str], bool]] = [
    ("kms-key", DECRYPT, through("rds"), True),
    ("kms-key", DECRYPT, through("elasticache"), True),
    ("kms-key", DECRYPT, through("s3"), False),
    ("kms-key", DECRYPT, {}, False),
    ("kms-key", "kms:CreateGrant", through("rds") | {"kms:GrantIsForAWSResource": "true"}, True),
    ("kms-key", "kms:CreateGrant", through("rds"), False),
    ("kms-key", "kms:ScheduleKeyDeletion", through("rds"), False),
    ("secrets-kms-key", DECRYPT, through("secretsmanager"), True),
    ("secrets-kms-key", DECRYPT, through("rds"), False),
    ("stream-kms-key", DECRYPT, through("kinesis"), False),  # a role's own policy says for which stream
]


@every_environment
@pytest.mark.parametrize("use", KEY_USE)
def test_deploying_role_uses_keys_through_their_service_only(
    run_layer, env: str, use: tuple[str, str, dict[str, str], bool]
) -> None:
    key, action, context, expected = use
    policy = run_layer("security", env).one(KEY, f"{key}-{env}")["policy"]
    assert permits(policy, action, context | {"kms:CallerAccount": "123456789012"}) is expected
    assert not permits(policy, action, context | {"kms:CallerAccount": "210987654321"})
