"""The security layer's program with its committed stack files, under mocks."""

import json
from typing import Any

import pulumi
import pytest

from projects.security.credentials import may_read
from projects.security.roles import READ_SECRETS, WITHIN_BOUNDARY

KEY = "aws:kms/key:Key"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ROLE = "aws:iam/role:Role"
# ruff: noqa: S105 (type tokens, not secrets)
SECRET = "aws:secretsmanager/secret:Secret"
SECRET_POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"
SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
CALLER = "aws:index/getCallerIdentity:getCallerIdentity"
GET_VERSION = "aws:secretsmanager/getSecretVersion:getSecretVersion"
GET_SECRET = "aws:secretsmanager/getSecret:getSecret"
RANDOM = "aws:secretsmanager/getRandomPassword:getRandomPassword"

ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def value(given: Any) -> Any:
    """Return an input's value, also if it is marked secret."""
    return given["value"] if isinstance(given, dict) else given


# Keys


def test_four_keys_have_an_alias_and_rotate_every_year(run_layer, env: str) -> None:
    run = run_layer("security", env)
    assert {key.name for key in run.all(KEY)} == {
        f"{kind}-key-{env}" for kind in ("kms", "stream-kms", "secrets-kms", "telemetry-kms")
    }
    for key in run.all(KEY):
        assert key.inputs["enableKeyRotation"] is True
        assert key.inputs["rotationPeriodInDays"] == 365
    assert {(a.inputs["name"], a.inputs["targetKeyId"]) for a in run.all("aws:kms/alias:Alias")} == {
        (f"alias/transaction-monitoring-{env}", f"kms-key-{env}-id"),
        (f"alias/transaction-monitoring-{env}/stream", f"stream-kms-key-{env}-id"),
        (f"alias/transaction-monitoring-{env}/secrets", f"secrets-kms-key-{env}-id"),
        (f"alias/transaction-monitoring-{env}/telemetry", f"telemetry-kms-key-{env}-id"),
    }


@pytest.mark.parametrize(("env", "days"), [("local", 7), ("dev", 7), ("prod", 30)])
def test_the_deletion_window_of_keys_matches_the_profile(run_layer, env: str, days: int) -> None:
    assert {key.inputs["deletionWindowInDays"] for key in run_layer("security", env).all(KEY)} == {days}


def test_production_leaves_the_key_of_its_snapshots(run_layer) -> None:
    assert run_layer("security", "dev").retained == run_layer("security", "local").retained == set()
    assert run_layer("security", "prod", config={"protect": False}).retained == {"kms-key-prod"}


def key_policy(run: Any, statements, kind: str) -> dict[str, dict[str, Any]]:
    return statements(run.one(KEY, f"{kind}-key-{run.env}")["policy"])


def test_every_key_policy_delegates_to_iam(run_layer, statements, env: str) -> None:
    run = run_layer("security", env)
    for kind in ("kms", "stream-kms", "secrets-kms", "telemetry-kms"):
        assert key_policy(run, statements, kind)["AccountRoot"] == {
            "Sid": "AccountRoot",
            "Effect": "Allow",
            "Action": ["kms:*"],
            "Resource": ["*"],
            "Principal": {"AWS": ROOT},
        }


def test_no_key_policy_denies_anything(run_layer, statements) -> None:
    run = run_layer("security", "prod")
    for key in run.all(KEY):
        assert {s["Effect"] for s in statements(key.inputs["policy"]).values()} == {"Allow"}


def test_other_principals_use_a_key_only_through_its_services(run_layer, statements, env: str) -> None:
    run = run_layer("security", env)
    through = {
        "kms": ["rds.ap-northeast-1.amazonaws.com", "elasticache.ap-northeast-1.amazonaws.com"],
        "secrets-kms": ["secretsmanager.ap-northeast-1.amazonaws.com"],
        "stream-kms": [],
        "telemetry-kms": [],
    }
    for kind, services in through.items():
        anybody = [s for s in key_policy(run, statements, kind).values() if s["Principal"] == {"AWS": "*"}]
        assert bool(anybody) == bool(services), kind
        for statement in anybody:
            assert statement["Condition"]["StringEquals"] == {
                "kms:CallerAccount": ACCOUNT,
                "kms:ViaService": services,
            }


def test_only_aws_services_get_grants_on_the_data_key(run_layer, statements) -> None:
    policy = key_policy(run_layer("security", "prod"), statements, "kms")
    assert policy["GrantThroughDatabases"]["Action"] == ["kms:CreateGrant"]
    assert policy["GrantThroughDatabases"]["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}
    use = ["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey*"]
    assert policy["UseThroughDatabases"]["Action"] == [*use, "kms:ReEncrypt*"]
    secrets = key_policy(run_layer("security", "prod"), statements, "secrets-kms")
    assert secrets["UseThroughSecretsManager"]["Action"] == [*use, "kms:CreateGrant"]


def test_the_telemetry_key_allows_log_groups_of_this_environment(run_layer, statements, env: str) -> None:
    logs = key_policy(run_layer("security", env), statements, "telemetry-kms")["CloudWatchLogs"]
    assert logs["Principal"] == {"Service": "logs.ap-northeast-1.amazonaws.com"}
    # CloudWatch Logs User Guide, "Encrypt log data using AWS KMS".
    assert logs["Action"] == [
        f"kms:{each}" for each in ("Encrypt", "Decrypt", "ReEncrypt*", "GenerateDataKey*", "Describe*")
    ]
    prefix = f"arn:aws:logs:ap-northeast-1:{ACCOUNT}:log-group:"
    groups = (f"/aws/transaction-monitoring/{env}", f"/aws/rds/instance/txdb-{env}", f"/aws/elasticache/redis-{env}")
    assert logs["Condition"] == {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": [
                f"{prefix}{group}{below}" for group in groups for below in ("", "/*")
            ]
        }
    }


def test_alarms_and_events_can_encrypt_for_the_topic(run_layer, statements) -> None:
    policy = key_policy(run_layer("security", "prod"), statements, "telemetry-kms")
    publish = {sid: policy[sid] for sid in ("AlarmsToTopic", "RdsEventsToTopic", "EventBridgeToTopic")}
    assert {sid: s["Principal"]["Service"] for sid, s in publish.items()} == {
        "AlarmsToTopic": "cloudwatch.amazonaws.com",
        "RdsEventsToTopic": "events.rds.amazonaws.com",
        "EventBridgeToTopic": "events.amazonaws.com",
    }
    assert all(s["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"] for s in publish.values())
    assert publish["AlarmsToTopic"]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {
            "aws:SourceArn": f"arn:aws:cloudwatch:ap-northeast-1:{ACCOUNT}:alarm:transaction-monitoring-prod/*"
        },
    }
    assert publish["RdsEventsToTopic"]["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert "Condition" not in publish["EventBridgeToTopic"]


# Roles


def test_five_roles_have_the_names_that_applications_know(run_layer, env: str) -> None:
    assert {role.inputs["name"] for role in run_layer("security", env).all(ROLE)} == {
        f"kinesis-role-{env}",
        f"kinesis-producer-role-{env}",
        f"processing-migrator-role-{env}",
        f"rds-monitoring-role-{env}",
        f"flow-log-role-{env}",
    }


@pytest.mark.parametrize(
    ("role", "service", "source"),
    [
        ("kinesis-role", "lambda", None),
        ("processing-migrator-role", "lambda", None),
        ("kinesis-producer-role", "ecs-tasks", f"arn:aws:ecs:ap-northeast-1:{ACCOUNT}:*"),
        ("rds-monitoring-role", "monitoring.rds", f"arn:aws:rds:ap-northeast-1:{ACCOUNT}:db:txdb-prod"),
        ("flow-log-role", "vpc-flow-logs", f"arn:aws:ec2:ap-northeast-1:{ACCOUNT}:vpc-flow-log/*"),
    ],
)
def test_a_role_trusts_its_service_for_this_account_only(
    run_layer, role: str, service: str, source: str | None
) -> None:
    [statement] = json.loads(run_layer("security", "prod").one(ROLE, f"{role}-prod")["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}
    assert statement["Action"] == ["sts:AssumeRole"]
    assert "Resource" not in statement
    expected = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": source}}
    assert statement.get("Condition") == (expected if source else None)


def test_only_the_senders_may_act_as_the_producer_by_hand(run_layer, statements) -> None:
    run = run_layer("security", "prod", config={"senders": ["role/testers", "user/ann"]})
    by_hand = [role.name for role in run.all(ROLE) if "ByHand" in statements(role.inputs["assumeRolePolicy"])]
    assert by_hand == ["kinesis-producer-role-prod"]
    trust = statements(run.one(ROLE, "kinesis-producer-role-prod")["assumeRolePolicy"])["ByHand"]
    assert trust["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    ends = [f"arn:aws:iam::{ACCOUNT}:role/testers", f"arn:aws:iam::{ACCOUNT}:user/ann"]
    assert trust["Condition"] == {"ArnLike": {"aws:PrincipalArn": ends}}


def test_every_role_has_the_permissions_boundary(run_layer, statements, env: str) -> None:
    run = run_layer("security", env)
    boundary = run.one("aws:iam/policy:Policy", f"permissions-boundary-{env}")
    assert statements(boundary["policy"])["MostThatCanBeGranted"]["Action"] == list(WITHIN_BOUNDARY)
    arn = f"arn:aws:test:ap-northeast-1:{ACCOUNT}:permissions-boundary-{env}"
    assert {role.inputs["permissionsBoundary"] for role in run.all(ROLE)} == {arn}


@pytest.mark.parametrize("existing", [None, "shared-credentials"])
def test_the_boundary_lets_roles_read_our_own_secrets_only(run_layer, statements, existing: str | None) -> None:
    config = {"databaseCredentials": "generated", **({"dbSecretName": existing} if existing else {})}
    run = run_layer("security", "prod", config=config, preview=True)
    boundary = statements(run.one("aws:iam/policy:Policy", "permissions-boundary-prod")["policy"])
    names = ["rds-credentials-prod-??????", "redis-auth-prod-??????", *([f"{existing}-??????"] if existing else [])]
    assert boundary["OwnSecrets"]["Action"] == list(READ_SECRETS)
    assert boundary["OwnSecrets"]["Resource"] == [
        f"arn:aws:secretsmanager:ap-northeast-1:{ACCOUNT}:secret:{name}" for name in (*names, "rds!db-*")
    ]


def test_the_boundary_has_no_wildcard_and_no_administration() -> None:
    assert not [action for action in WITHIN_BOUNDARY if "*" in action]
    assert not {action.split(":")[0] for action in WITHIN_BOUNDARY} & {"iam", "organizations", "sts", "account"}
    assert {action for action in WITHIN_BOUNDARY if action.startswith("kms:")} == {
        "kms:Decrypt",
        "kms:GenerateDataKey",
    }


@pytest.mark.parametrize("kind", ["kinesis", "processing-migrator"])
def test_security_grants_a_function_network_interfaces_only(run_layer, statements, env: str, kind: str) -> None:
    run = run_layer("security", env)
    [grant] = [each.inputs for each in run.all(ROLE_POLICY) if each.inputs["role"] == f"{kind}-role-{env}"]
    by_sid = statements(grant["policy"])
    assert {action.split(":")[0] for action in by_sid["StandInVpc"]["Action"]} == {"ec2"}
    assert (by_sid["NotByCode"]["Effect"], by_sid["NotByCode"]["Action"]) == ("Deny", by_sid["StandInVpc"]["Action"])
    assert by_sid["NotByCode"]["Condition"] == {
        "ArnLike": {"lambda:SourceFunctionArn": f"arn:aws:lambda:ap-northeast-1:{ACCOUNT}:function:*"}
    }
    attachment = run.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    assert attachment["role"] == f"rds-monitoring-role-{env}"
    assert attachment["policyArn"].endswith(":policy/service-role/AmazonRDSEnhancedMonitoringRole")


def test_a_consumer_may_run_elsewhere_too_but_not_only(run_layer) -> None:
    services = ["lambda.amazonaws.com", "ec2.amazonaws.com"]
    run = run_layer("security", "dev", config={"consumerServices": services})
    trust = json.loads(run.one(ROLE, "kinesis-role-dev")["assumeRolePolicy"])["Statement"]
    assert [statement["Principal"]["Service"] for statement in trust] == services
    with pytest.raises(pulumi.RunError, match=r"consumerServices must include lambda\.amazonaws\.com"):
        run_layer("security", "dev", config={"consumerServices": services[1:]})


# Secrets


@pytest.mark.parametrize(("env", "days"), [("local", 0), ("dev", 0), ("prod", 30)])
def test_secrets_are_encrypted_and_their_recovery_matches_the_profile(run_layer, env: str, days: int) -> None:
    for secret in run_layer("security", env).all(SECRET):
        assert secret.inputs["kmsKeyId"] == f"arn:aws:test:ap-northeast-1:{ACCOUNT}:secrets-kms-key-{env}"
        assert secret.inputs["recoveryWindowInDays"] == days


@pytest.mark.parametrize("env", ["local", "dev"])
def test_generated_credentials_are_json_with_a_random_password(run_layer, env: str) -> None:
    run = run_layer("security", env)
    assert run.one(SECRET, f"rds-credentials-{env}")["name"] == f"rds-credentials-{env}"
    version = run.one(SECRET_VERSION, f"rds-credentials-version-{env}")
    assert json.loads(value(version["secretStringWo"])) == {
        "username": "txadmin",
        "password": "a-random-password-of-32-letters!",
    }
    assert version["secretStringWoVersion"] == 1
    assert run.exports["db_credentials_version"] == 1


def test_redis_gets_a_random_token(run_layer, env: str) -> None:
    run = run_layer("security", env)
    assert run.one(SECRET, f"redis-auth-{env}")["name"] == f"redis-auth-{env}"
    version = run.one(SECRET_VERSION, f"redis-auth-version-{env}")
    assert value(version["secretStringWo"]) == "a-random-password-of-32-letters!"


@pytest.mark.parametrize(
    ("version", "token", "stage"),
    [(1, 1, "AWSCURRENT"), (2, 2, "AWSPENDING"), (3, 2, "AWSCURRENT"), (4, 3, "AWSPENDING"), (5, 3, "AWSCURRENT")],
)
def test_a_new_redis_token_is_pending_before_it_is_current(run_layer, version: int, token: int, stage: str) -> None:
    run = run_layer("security", "dev", config={"redisCredentialsVersion": version})
    made = run.one(SECRET_VERSION, "redis-auth-version-dev")
    assert (made["secretStringWoVersion"], made["versionStages"]) == (token, [stage])


def test_random_passwords_are_valid_for_rds_and_redis(run_layer, env: str) -> None:
    for call in (call for call in run_layer("security", env).calls if call.token == RANDOM):
        assert 16 <= call.args["passwordLength"] <= 128
        assert call.args["excludePunctuation"] is call.args["requireEachIncludedType"] is True
        assert not call.args.get("includeSpace")


def test_secret_values_are_marked_secret_and_write_only(run_layer, env: str) -> None:
    run = run_layer("security", env)
    for version in run.all(SECRET_VERSION):
        assert "secretString" not in version.inputs
        assert (version.name, "secretStringWo") in run.secret_inputs
    assert "a-random-password" not in json.dumps(run.exports)


def test_security_creates_no_master_password_in_production(run_layer) -> None:
    run = run_layer("security", "prod")
    assert [secret.inputs["name"] for secret in run.all(SECRET)] == ["redis-auth-prod"]
    assert run.exports["db_secret_arn"] == ""
    assert run.exports["db_credentials_version"] == 0
    assert run.exports["db_username"] == "txadmin"


def test_raising_a_version_rotates_only_that_secret(run_layer) -> None:
    run = run_layer("security", "dev", config={"dbCredentialsVersion": 4})
    assert run.one(SECRET_VERSION, "rds-credentials-version-dev")["secretStringWoVersion"] == 4
    assert run.one(SECRET_VERSION, "redis-auth-version-dev")["secretStringWoVersion"] == 1
    assert run.exports["db_credentials_version"] == 4
    assert run.exports["redis_credentials_version"] == 1


def test_secret_policies_deny_http_and_other_readers(run_layer, statements, env: str) -> None:
    run = run_layer("security", env)
    assert len(run.all(SECRET_POLICY)) == len(run.all(SECRET))
    for policy in run.all(SECRET_POLICY):
        assert policy.inputs["blockPublicPolicy"] is True
        arn = policy.inputs["secretArn"]
        by_sid = statements(policy.inputs["policy"])
        assert by_sid["DenyWithoutTls"]["Effect"] == "Deny"
        assert by_sid["DenyWithoutTls"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        others = by_sid["DenyOthers"]
        assert (others["Effect"], others["Principal"], others["Resource"]) == ("Deny", "*", [arn])
        # Only reads of the value are denied, so that administrators can repair the policy.
        assert others["Action"] == ["secretsmanager:GetSecretValue"]
        assert others["Condition"]["BoolIfExists"] == {"aws:PrincipalIsAWSService": "false"}
        readers = others["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
        roles = {
            f"redis-auth-{env}": ["kinesis-role", "processing-migrator-role"],
            f"rds-credentials-{env}": ["processing-migrator-role"],
        }[arn.rpartition(":")[2]]
        expected = [f"arn:aws:test:ap-northeast-1:{ACCOUNT}:{role}-{env}" for role in roles]
        assert readers == [*expected, *run.exports["secret_reader_arns"]]
        assert readers[len(roles)] == ROOT


def readers_of(run: Any, statements) -> list[str]:
    policy = statements(run.one(SECRET_POLICY, f"redis-auth-policy-{run.env}")["policy"])
    return list(policy["DenyOthers"]["Condition"]["ArnNotLike"]["aws:PrincipalArn"][3:])


def test_production_names_its_readers_and_development_does_not(run_layer, statements) -> None:
    assert readers_of(run_layer("security", "dev"), statements) == [f"arn:aws:iam::{ACCOUNT}:*"]
    production = readers_of(run_layer("security", "prod"), statements)
    assert f"arn:aws:iam::{ACCOUNT}:role/OrganizationAccountAccessRole" in production
    assert f"arn:aws:iam::{ACCOUNT}:*" not in production


def as_caller(arn: str) -> dict[str, dict[str, Any]]:
    return {CALLER: {"accountId": ACCOUNT, "arn": arn, "id": "1", "userId": "u"}}


def test_a_deployer_who_would_lose_access_is_refused(run_layer) -> None:
    stranger = f"arn:aws:sts::{ACCOUNT}:assumed-role/intern/session"
    with pytest.raises(pulumi.RunError, match=f"^projects/security/Pulumi.prod.yaml: secretReaders: {stranger}"):
        run_layer("security", "prod", answers=as_caller(stranger))


def test_a_role_among_the_secret_readers_can_deploy(run_layer) -> None:
    role = f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/session"
    run = run_layer("security", "prod", answers=as_caller(role), config={"secretReaders": ["role/deployer"]})
    assert run.all(SECRET_POLICY)


@pytest.mark.parametrize(
    ("caller", "readers", "matches"),
    [
        (ROOT, [], True),
        (f"arn:aws:iam::{ACCOUNT}:user/ann", ["user/ann"], True),
        (f"arn:aws:iam::{ACCOUNT}:user/team/ann", ["user/team/*"], True),
        (f"arn:aws:iam::{ACCOUNT}:user/bob", ["user/ann", "role/bob"], False),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/ops/x", ["role/path/to/ops"], True),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/ops/admin", ["role/admin"], False),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/ops/x", ["*"], True),
        (
            f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_AdministratorAccess_0a/ann@example.com",
            ["role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_AdministratorAccess_*"],
            True,
        ),
    ],
)
def test_callers_are_matched_like_in_iam(caller: str, readers: list[str], matches: bool) -> None:
    assert may_read(caller, readers) is matches


EXISTING = {"dbSecretName": "shared-credentials"}


def test_an_existing_secret_replaces_the_generated_one(run_layer) -> None:
    run = run_layer("security", "dev", config=EXISTING | {"dbCredentialsVersion": 3})
    assert [secret.inputs["name"] for secret in run.all(SECRET)] == ["redis-auth-dev"]
    assert run.exports["db_secret_arn"].endswith(":secret:shared-credentials-a1B2c3")
    assert run.exports["db_username"] == "txadmin"
    assert run.exports["db_credentials_version"] == 3


def test_the_user_of_an_existing_secret_has_to_be_the_setting(run_layer) -> None:
    keeper = {GET_VERSION: {"secretString": '{"username": "keeper", "password": "hunter2"}'}}
    run = run_layer("security", "dev", config=EXISTING | {"dbUsername": "keeper"}, answers=keeper)
    assert run.exports["db_username"] == "keeper"
    with pytest.raises(pulumi.RunError, match="dbUsername: it is 'txadmin', but the secret 'shared-credentials' has"):
        run_layer("security", "dev", config=EXISTING, answers=keeper)


def test_a_preview_knows_the_user_of_an_existing_secret_and_does_not_read_it(run_layer) -> None:
    run = run_layer("security", "dev", config=EXISTING | {"dbUsername": "keeper"}, preview=True)
    assert run.exports["db_username"] == "keeper"
    assert GET_VERSION not in {call.token for call in run.calls}


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ('{"username": "me"}', "it lacks password"),
        ('{"password": "hunter2"}', "it lacks username"),
        ('{"username": "", "password": "hunter2"}', "it lacks username"),
        ('{"username": 1, "password": "hunter2"}', "it lacks username"),
        ("hunter2", "it lacks username and password"),
        ('{"username": "me", "password": "hunter2"', "it lacks username and password"),
        ('["hunter2"]', "it lacks username and password"),
        ("null", "it lacks username and password"),
    ],
)
def test_the_error_for_an_invalid_existing_secret_hides_its_value(run_layer, text: str, lacks: str) -> None:
    answer = {GET_VERSION: {"secretString": text}}
    with pytest.raises(pulumi.RunError) as refused:
        run_layer("security", "dev", config=EXISTING, answers=answer)
    assert "the secret 'shared-credentials' must be JSON" in str(refused.value)
    assert lacks in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_the_error_for_an_unknown_secret_has_the_reason_from_aws(run_layer) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run_layer("security", "dev", config=EXISTING, answers={GET_SECRET: None})
    message = str(refused.value)
    assert message.startswith(
        "projects/security/Pulumi.dev.yaml: dbSecretName: the secret 'shared-credentials' cannot be"
    )
    assert message.endswith("(couldn't find resource)")


def test_production_protects_keys_and_secrets(run_layer) -> None:
    assert run_layer("security", "prod").protected == {
        "kms-key-prod",
        "stream-kms-key-prod",
        "secrets-kms-key-prod",
        "telemetry-kms-key-prod",
        "redis-auth-prod",
    }
    assert not run_layer("security", "dev").protected
