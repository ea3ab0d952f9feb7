"""The data layer's program with its committed stack files, under mocks."""

from typing import Any

import pulumi
import pytest
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret

from projects.data import windows
from projects.data.capacity import Load
from projects.data.config import DataConfig
from projects.data.sizes import DATABASE_CLASSES, GIB, NODE_TYPES, max_connections
from shared.contracts import NetworkContract, SecurityContract

INSTANCE = "aws:rds/instance:Instance"
GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
VAULT = "aws:backup/vault:Vault"
KEY = "aws:kms/key:Key"

NETWORK = NetworkContract.example()
SECURITY = SecurityContract.example()


def parse(**values: Any) -> DataConfig:
    return DataConfig.parse({"environmentSuffix": "test", **values}, "projects/data/Pulumi.test.yaml")


def sentence(**values: Any) -> str:
    with pytest.raises(pulumi.RunError) as error:
        parse(**values)
    assert "\n" not in str(error.value)
    return str(error.value)


def secret_value(value: Any) -> Any:
    """Return the value of an input, which must be marked secret."""
    assert is_rpc_secret(value), "not marked secret"
    return unwrap_rpc_secret(value)


def texts(value: Any) -> str:
    """Return everything that the state would show in plain text."""
    if is_rpc_secret(value):
        return ""
    if isinstance(value, dict):
        return " ".join(texts(each) for each in value.values())
    if isinstance(value, list):
        return " ".join(texts(each) for each in value)
    return str(value)


# PostgreSQL


def test_postgresql_is_encrypted_and_private(run_layer, env: str) -> None:
    run = run_layer("data", env)
    instance = run.one(INSTANCE)
    assert instance["storageEncrypted"] is True
    assert instance["kmsKeyId"] == instance["performanceInsightsKmsKeyId"] == SECURITY["kms_key_arn"]
    assert instance["publiclyAccessible"] is False
    assert instance["vpcSecurityGroupIds"] == [NETWORK["rds_security_group_id"]]
    assert run.one("aws:rds/subnetGroup:SubnetGroup")["subnetIds"] == NETWORK["private_subnet_ids"]
    assert instance["dbSubnetGroupName"] == f"db-subnet-group-{env}"


def test_postgresql_keeps_the_names_that_applications_know(run_layer, env: str) -> None:
    instance = run_layer("data", env).one(INSTANCE)
    assert instance["identifier"] == f"txdb-{env}"
    assert instance["engine"] == "postgres"
    assert instance["dbName"] == "transactions"
    assert instance["port"] == 5432
    assert instance["username"] == SECURITY["db_username"]
    assert set(instance["enabledCloudwatchLogsExports"]) == {"postgresql", "upgrade", "iam-db-auth-error"}
    assert instance["autoMinorVersionUpgrade"] is instance["allowMajorVersionUpgrade"] is True


def test_engine_versions_are_supported_by_aws(run_layer) -> None:
    run = run_layer("data", "prod")
    assert run.one(INSTANCE)["engineVersion"] == "17"
    assert run.one("aws:rds/parameterGroup:ParameterGroup")["family"] == "postgres17"
    assert run.one(INSTANCE)["engineLifecycleSupport"] == "open-source-rds-extended-support-disabled"
    assert run.one(GROUP)["engineVersion"] == "7.1"
    assert run.one("aws:elasticache/parameterGroup:ParameterGroup")["family"] == "redis7"


def test_postgresql_requires_tls_and_allows_iam_logins(run_layer, env: str) -> None:
    run = run_layer("data", env)
    parameters = run.one("aws:rds/parameterGroup:ParameterGroup")["parameters"]
    assert {each["name"]: each["value"] for each in parameters}["rds.force_ssl"] == "1"
    assert run.one(INSTANCE)["parameterGroupName"] == f"db-parameters-{env}"
    assert run.one(INSTANCE)["iamDatabaseAuthenticationEnabled"] is True
    assert run.one(INSTANCE)["caCertIdentifier"] == "rds-ca-rsa2048-g1"


def test_postgresql_has_exactly_these_parameters(run_layer, env: str) -> None:
    parameters = run_layer("data", env).one("aws:rds/parameterGroup:ParameterGroup")["parameters"]
    assert {each["name"]: each["value"] for each in parameters} == {
        "rds.force_ssl": "1",
        "log_connections": "1",
        "log_disconnections": "1",
        "log_lock_waits": "1",
        "log_min_duration_statement": "1000",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "pgaudit.log": "ddl,role",
        "pgaudit.role": "rds_pgaudit",
        "idle_in_transaction_session_timeout": "60000",
        "track_io_timing": "1",
        "shared_preload_libraries": "pg_stat_statements,pgaudit",
    }


def test_only_the_static_parameter_waits_for_a_restart(run_layer) -> None:
    parameters = run_layer("data", "dev").one("aws:rds/parameterGroup:ParameterGroup")["parameters"]
    waiting = {each["name"] for each in parameters if each.get("applyMethod") == "pending-reboot"}
    assert waiting == {"shared_preload_libraries"}


def test_a_generated_password_is_write_only_secret_and_versioned(run_layer) -> None:
    instance = run_layer("data", "dev").one(INSTANCE)
    assert instance["passwordWoVersion"] == SECURITY["db_credentials_version"]
    assert "manageMasterUserPassword" not in instance
    assert "password" not in instance
    assert secret_value(instance["passwordWo"]) == "from-the-secret"


def test_passwords_are_read_from_the_secrets_of_security(run_layer, env: str) -> None:
    read = {call.args["secretId"] for call in run_layer("data", env).calls if "secretId" in call.args}
    master = set() if env == "prod" else {SECURITY["db_secret_arn"]}
    assert read == {SECURITY["redis_secret_arn"], *master}


def test_a_preview_reads_no_secret(run_layer, env: str) -> None:
    run = run_layer("data", env, preview=True)
    assert run.all("aws:elasticache/replicationGroup:ReplicationGroup")
    assert not [call.token for call in run.calls if "secretId" in call.args]


def test_no_input_or_output_shows_a_password(run_layer, env: str) -> None:
    run = run_layer("data", env)
    readable = " ".join(texts(dict(each.inputs)) for each in run.resources) + texts(run.exports)
    assert "from-the-secret" not in readable


def test_rds_manages_and_rotates_the_password_in_production(run_layer) -> None:
    run = run_layer("data", "prod")
    instance = run.one(INSTANCE)
    assert instance["manageMasterUserPassword"] is True
    assert instance["masterUserSecretKmsKeyId"] == SECURITY["secrets_key_arn"]
    assert not {"password", "passwordWo", "passwordWoVersion"} & instance.keys()
    rotation = run.one("aws:secretsmanager/secretRotation:SecretRotation")
    assert rotation["secretId"] == run.exports["rds_secret_arn"]
    assert rotation["rotationRules"] == {"automaticallyAfterDays": 30}
    assert rotation["rotateImmediately"] is False
    assert "rds!db" in run.exports["rds_secret_arn"]


def test_the_policy_of_the_rds_secret_denies_http_and_other_readers(run_layer, statements) -> None:
    run = run_layer("data", "prod")
    policy = run.one("aws:secretsmanager/secretPolicy:SecretPolicy")
    assert policy["secretArn"] == run.exports["rds_secret_arn"]
    assert policy["blockPublicPolicy"] is True
    denials = statements(policy["policy"])
    assert denials.keys() == {"DenyWithoutTls", "DenyOthers"}
    assert all(each["Resource"] == [run.exports["rds_secret_arn"]] for each in denials.values())
    assert denials["DenyOthers"]["Condition"] == {
        "ArnNotLike": {
            "aws:PrincipalArn": [
                *SECURITY["secret_reader_arns"],
                SECURITY["migrator_role_arn"],
                "arn:aws:iam::123456789012:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS",
            ]
        },
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }


def test_data_sets_no_secret_policy_for_a_generated_password(run_layer) -> None:
    assert not run_layer("data", "dev").all("aws:secretsmanager/secretPolicy:SecretPolicy")


def test_data_exports_the_secret_of_a_generated_password(run_layer) -> None:
    assert run_layer("data", "dev").exports["rds_secret_arn"] == SECURITY["db_secret_arn"]


def test_a_missing_generated_password_is_refused(run_layer) -> None:
    upstream = {
        "security": SECURITY | {"environment_suffix": "dev", "db_secret_arn": "", "db_credentials_version": 0}
    }
    with pytest.raises(pulumi.RunError, match="databaseCredentials is 'generated' in data, but security") as error:
        run_layer("data", "dev", upstream=upstream)
    assert "deploy security, then data" in str(error.value)


def test_rds_takes_over_the_password_with_a_warning(run_layer, caplog: pytest.LogCaptureFixture) -> None:
    run = run_layer("data", "prod", upstream={"security": SECURITY | {"environment_suffix": "prod"}})
    assert run.one(INSTANCE)["manageMasterUserPassword"] is True
    assert "rds!db" in run.exports["rds_secret_arn"]
    [warning] = caplog.messages
    assert "rds-credentials-dev-a1B2c3 is no longer used" in warning
    assert "set databaseCredentials to 'rds-managed' in security" in warning


def test_the_committed_production_settings_give_no_warning(run_layer, caplog: pytest.LogCaptureFixture) -> None:
    run_layer("data", "prod", config={"environmentSuffix": "prod"})
    assert caplog.messages == []


@pytest.mark.parametrize("held", ["not json", "[]", '{"username": "txadmin"}'])
def test_the_error_for_a_secret_without_password_hides_its_value(run_layer, held: str) -> None:
    token = "aws:secretsmanager/getSecretVersion:getSecretVersion"  # noqa: S105 (a function's name)
    with pytest.raises(pulumi.RunError, match="must be a JSON object with 'password'") as error:
        run_layer("data", "dev", answers={token: {"secretString": held}})
    assert held not in str(error.value)


def test_postgresql_logs_to_encrypted_groups_that_exist_before_it(run_layer, env: str) -> None:
    run = run_layer("data", env)
    groups = {each.inputs["name"]: each.inputs for each in run.all(LOG_GROUP)}
    for log in run.one(INSTANCE)["enabledCloudwatchLogsExports"]:
        group = groups[f"/aws/rds/instance/txdb-{env}/{log}"]
        assert group["kmsKeyId"] == SECURITY["telemetry_key_arn"]
        assert group["retentionInDays"] == (365 if env == "prod" else 7)
    assert set(run.exports["rds_log_group_names"] + run.exports["redis_log_group_names"]) == groups.keys()
    assert {f"db-log-{log}-{env}" for log in run.one(INSTANCE)["enabledCloudwatchLogsExports"]} <= run.waits_for[
        f"rds-postgres-{env}"
    ]


def test_monitoring_settings_are_a_combination_that_aws_accepts(run_layer) -> None:
    dev, prod = run_layer("data", "dev").one(INSTANCE), run_layer("data", "prod").one(INSTANCE)
    assert dev["monitoringInterval"] == 0
    assert "monitoringRoleArn" not in dev
    assert prod["monitoringInterval"] == 15
    assert prod["monitoringRoleArn"] == SECURITY["rds_monitoring_role_arn"]
    assert (dev["databaseInsightsMode"], dev["performanceInsightsRetentionPeriod"]) == ("standard", 7)
    assert (prod["databaseInsightsMode"], prod["performanceInsightsRetentionPeriod"]) == ("advanced", 465)
    assert dev["performanceInsightsEnabled"] is prod["performanceInsightsEnabled"] is True


# Redis


def test_redis_is_encrypted_and_private(run_layer, env: str) -> None:
    run = run_layer("data", env)
    group = run.one(GROUP)
    assert group["replicationGroupId"] == f"redis-{env}"
    assert group["engine"] == "redis"
    assert group["atRestEncryptionEnabled"] is group["transitEncryptionEnabled"] is True
    assert group["transitEncryptionMode"] == "required"
    assert group["kmsKeyId"] == SECURITY["kms_key_arn"]
    assert group["securityGroupIds"] == [NETWORK["redis_security_group_id"]]
    assert run.one("aws:elasticache/subnetGroup:SubnetGroup")["subnetIds"] == NETWORK["private_subnet_ids"]
    assert group["subnetGroupName"] == f"cache-subnet-group-{env}"


def test_redis_fails_over_to_a_replica_in_another_zone(run_layer, env: str) -> None:
    run = run_layer("data", env)
    group = run.one(GROUP)
    assert group["numCacheClusters"] == 2
    assert group["automaticFailoverEnabled"] is group["multiAzEnabled"] is True
    assert run.exports["redis_member_ids"] == [f"redis-{env}-001", f"redis-{env}-002"]


def test_redis_evicts_the_keys_that_expire_soonest(run_layer, env: str) -> None:
    run = run_layer("data", env)
    group = run.one("aws:elasticache/parameterGroup:ParameterGroup")
    assert group["parameters"] == [{"name": "maxmemory-policy", "value": "volatile-ttl"}]
    assert run.one(GROUP)["parameterGroupName"] == f"redis-params-{env}"


def test_the_redis_token_is_write_only_secret_and_versioned(run_layer, env: str) -> None:
    group = run_layer("data", env).one(GROUP)
    assert "from-the-secret" in secret_value(group["authTokenWo"])
    assert "authToken" not in group


@pytest.mark.parametrize(
    ("version", "stage", "strategy"),
    [(1, "AWSCURRENT", "ROTATE"), (2, "AWSPENDING", "ROTATE"), (3, "AWSCURRENT", "SET"), (4, "AWSPENDING", "ROTATE")],
)
def test_redis_takes_a_pending_token_besides_the_last_and_then_alone(
    run_layer, version: int, stage: str, strategy: str
) -> None:
    upstream = {"security": SECURITY | {"redis_credentials_version": version, "environment_suffix": "prod"}}
    run = run_layer("data", "prod", upstream=upstream)
    group = run.one(GROUP)
    assert (group["authTokenWoVersion"], group["authTokenUpdateStrategy"]) == (version, strategy)
    assert [call.args["versionStage"] for call in run.calls if "secretId" in call.args] == [stage]


def test_redis_logs_json_without_arguments_to_our_log_group(run_layer, env: str) -> None:
    run = run_layer("data", env)
    deliveries = run.one(GROUP)["logDeliveryConfigurations"]
    assert {each["logType"] for each in deliveries} == {"engine-log"}
    for each in deliveries:
        assert (each["destinationType"], each["logFormat"]) == ("cloudwatch-logs", "json")
        assert each["destination"] == f"/aws/elasticache/redis-{env}/{each['logType']}"


# Profiles

DEV, PROD = range(2)
PROFILES: dict[str, dict[str, tuple[Any, Any]]] = {
    INSTANCE: {
        "instanceClass": ("db.t3.micro", "db.m7g.large"),
        "storageType": ("gp3", "gp3"),
        "allocatedStorage": (20, 200),
        "maxAllocatedStorage": (50, 2000),
        "multiAz": (True, True),
        "backupRetentionPeriod": (0, 35),
        "backupWindow": (None, "17:00-17:30"),
        "maintenanceWindow": ("sun:18:00-sun:19:00", "sun:18:00-sun:19:00"),
        "skipFinalSnapshot": (True, False),
        "finalSnapshotIdentifier": (None, "txdb-prod-final-1"),
        "deleteAutomatedBackups": (True, False),
        "deletionProtection": (False, True),
        "copyTagsToSnapshot": (True, True),
        "monitoringInterval": (0, 15),
        "databaseInsightsMode": ("standard", "advanced"),
        "performanceInsightsRetentionPeriod": (7, 465),
        "applyImmediately": (True, False),
        "blueGreenUpdate": (None, None),
    },
    GROUP: {
        "nodeType": ("cache.t3.micro", "cache.m7g.large"),
        "numCacheClusters": (2, 2),
        "multiAzEnabled": (True, True),
        "snapshotRetentionLimit": (0, 7),
        "snapshotWindow": (None, "15:30-16:30"),
        "finalSnapshotIdentifier": (None, "redis-prod-final-1"),
        "maintenanceWindow": ("sun:19:30-sun:20:30", "sun:19:30-sun:20:30"),
        "autoMinorVersionUpgrade": (True, True),
        "applyImmediately": (True, False),
    },
}
"""By type: the inputs in development and in production."""


@pytest.mark.parametrize(("env", "profile"), [("local", DEV), ("dev", DEV), ("prod", PROD)])
@pytest.mark.parametrize("token", PROFILES)
def test_databases_match_the_profile(run_layer, token: str, env: str, profile: int) -> None:
    inputs = run_layer("data", env).one(token)
    assert {key: inputs.get(key) for key in PROFILES[token]} == {
        key: values[profile] for key, values in PROFILES[token].items()
    }


def test_development_warns_of_its_small_cache_and_disk(run_layer, caplog: pytest.LogCaptureFixture) -> None:
    run_layer("data", "dev", config={"environmentSuffix": "dev"})
    assert [warning.partition(" at ")[0] for warning in caplog.messages] == [
        "redisNodeType: cache.t3.micro holds 5.7 of 24 hours",
        "postgresMaxStorageGib: 50 GiB are full after 25 days",
    ]


def test_log_groups_have_deletion_protection_in_production_only(run_layer, env: str) -> None:
    resist = {each.inputs["deletionProtectionEnabled"] for each in run_layer("data", env).all(LOG_GROUP)}
    assert resist == {env == "prod"}


@pytest.mark.parametrize(
    ("given", "key", "expected"),
    [
        ("txdb-prod-final-1", "snapshotIdentifier", "txdb-prod-final-1"),
        ("awsbackup:job-1a", "snapshotIdentifier", "awsbackup:job-1a"),
        (
            "db-ABC@2026-11-28T03:00:00Z",
            "restoreToPointInTime",
            {"sourceDbiResourceId": "db-ABC", "restoreTime": "2026-11-28T03:00:00Z"},
        ),
        (
            "db-ABC@latest",
            "restoreToPointInTime",
            {"sourceDbiResourceId": "db-ABC", "useLatestRestorableTime": True},
        ),
    ],
)
def test_postgresql_is_restored_under_its_own_name(run_layer, given: str, key: str, expected: Any) -> None:
    instance = run_layer("data", "prod", config={"restoreFrom": given}).one(INSTANCE)
    origins = {name: instance[name] for name in ("snapshotIdentifier", "restoreToPointInTime") if name in instance}
    assert origins == {key: expected}
    assert (instance["identifier"], instance["dbName"]) == ("txdb-prod", "transactions")


def test_snapshots_and_backups_do_not_depend_on_protect(run_layer) -> None:
    keys = ("skipFinalSnapshot", "finalSnapshotIdentifier", "deleteAutomatedBackups", "backupRetentionPeriod")
    unprotected = run_layer("data", "prod", config={"protect": False}).one(INSTANCE)
    assert unprotected["deletionProtection"] is False
    protected = run_layer("data", "prod").one(INSTANCE)
    assert {key: unprotected[key] for key in keys} == {key: protected[key] for key in keys}


def test_stateful_resources_are_protected_in_production_only(run_layer) -> None:
    assert run_layer("data", "dev").protected == run_layer("data", "local").protected == set()
    run = run_layer("data", "prod")
    stateful = {each.name for each in run.resources if each.typ in {INSTANCE, GROUP, LOG_GROUP, VAULT, KEY}}
    assert run.protected == stateful


def test_maintenance_windows_of_the_databases_do_not_overlap(run_layer, env: str) -> None:
    run = run_layer("data", env)
    assert not windows.overlap(run.one(INSTANCE)["maintenanceWindow"], run.one(GROUP)["maintenanceWindow"])


# The grant


@pytest.mark.parametrize(("kind", "secret_names"), [("consumer", ["Redis"]), ("migrator", ["Redis", "Database"])])
def test_a_role_can_only_log_in_and_read_its_secrets(
    run_layer, statements, env: str, kind: str, secret_names: list[str]
) -> None:
    run = run_layer("data", env)
    grant = run.one("aws:iam/rolePolicy:RolePolicy", f"{kind}-data-access-{env}")
    assert grant["role"] == SECURITY[{"consumer": "kinesis_role_name", "migrator": "migrator_role_name"}[kind]]
    granted = statements(grant["policy"])
    login = granted.pop("DatabaseLogin")
    assert login["Action"] == ["rds-db:connect"]
    database = "arn:aws:rds-db:ap-northeast-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOP"
    users = {"consumer": ["tx_consumer"], "migrator": ["tx_consumer", "txadmin"]}[kind]
    assert login["Resource"] == [f"{database}/{user}" for user in users]
    arns = {"Redis": SECURITY["redis_secret_arn"], "Database": run.exports["rds_secret_arn"]}
    secrets = {f"Decrypt{name}Secret": arns[name] for name in secret_names}
    read = granted.pop("ReadSecrets")
    assert read["Resource"] == list(secrets.values())
    assert read["Action"] == ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    assert granted.keys() == secrets.keys()
    for sid, secret in secrets.items():
        assert granted[sid]["Resource"] == [SECURITY["secrets_key_arn"]]
        assert granted[sid]["Condition"]["StringEquals"] == {
            "kms:ViaService": "secretsmanager.ap-northeast-1.amazonaws.com",
            "kms:EncryptionContext:SecretARN": secret,
        }


# Previews


def test_a_preview_works_before_other_layers_are_deployed(run_layer) -> None:
    run = run_layer("data", "dev", upstream={"network": {}, "security": {}}, preview=True)
    assert run.one(INSTANCE)["identifier"] == "txdb-dev"


# Capacity


def test_only_development_has_a_shortage() -> None:
    assert not parse().shortages
    dev = parse(protect=False, redisNodeType="cache.t3.micro")
    [shortage] = dev.shortages
    assert shortage == (
        "redisNodeType: cache.t3.micro holds 5.7 of 24 hours at 1000 transactions a minute of 1024 bytes;"
        " cache.t3.medium would hold them"
    )


def test_a_protected_environment_refuses_a_small_cache_or_disk() -> None:
    assert "holds 5.7 of 24 hours" in sentence(redisNodeType="cache.t3.micro")
    assert "no known type would hold them" in sentence(transactionsPerMinute=1_000_000, postgresMaxStorageGib=65536)
    assert "300 GiB are full after 149 days" in sentence(postgresMaxStorageGib=300)
    assert "a year needs 734 GiB" in sentence(postgresMaxStorageGib=300)


def test_a_transaction_of_1_kib_takes_1500_bytes_of_the_disk() -> None:
    assert Load(1, 1024).days_on(1) == pytest.approx(GIB / (1440 * 1500))


def test_twice_the_load_halves_the_capacity() -> None:
    once, twice = Load(1000, 1024), Load(2000, 1024)
    assert once.hours_in("cache.m7g.large") == pytest.approx(2 * twice.hours_in("cache.m7g.large"))
    assert once.days_on(100) == pytest.approx(2 * twice.days_on(100))


def test_max_connections_agrees_with_observed_values() -> None:
    assert max_connections("db.t3.micro") == 80
    assert 750 <= max_connections("db.m7g.large") <= 901
    assert all(max_connections(each) <= 5000 for each in DATABASE_CLASSES)


def test_larger_classes_have_more_memory() -> None:
    for table in (DATABASE_CLASSES, NODE_TYPES):
        families: dict[str, list[int]] = {}
        for name, size in table.items():
            families.setdefault(name.split(".")[1], []).append(size.memory)
        assert all(memories == sorted(memories) for memories in families.values())


# Windows


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("17:00-17:30", "sun:17:15-sun:18:00", True),
        ("17:00-17:30", "sun:17:30-sun:18:00", False),
        ("23:45-00:15", "mon:00:00-mon:01:00", True),
        ("sun:23:30-mon:00:30", "mon:00:00-mon:01:00", True),
        ("sat:10:00-sat:11:00", "sun:10:00-sun:11:00", False),
    ],
)
def test_overlaps_are_found_across_midnight_and_the_weekend(one: str, other: str, *, collide: bool) -> None:
    assert windows.overlap(one, other) is windows.overlap(other, one) is collide


# Settings


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"redisNodeTyp": "cache.m7g.large"}, "did you mean 'redisNodeType'?"),
        (
            {"postgresInstanceClass": "db.t2.micro"},
            "postgresInstanceClass: 'db.t2.micro' must be one of db.t3.micro,",
        ),
        ({"redisNodeType": "cache.big"}, "redisNodeType: 'cache.big' must be one of cache.t3.micro,"),
        ({"postgresVersion": "15.x"}, "postgresVersion: '15.x' must be a major version from 16 to 18"),
        # RDS applies minor versions by itself and allows no downgrade.
        ({"postgresVersion": "17.4"}, "postgresVersion: '17.4' must be a major version from 16 to 18"),
        ({"postgresBackupDays": 36}, "postgresBackupDays: input should be less than or equal to 35, not 36"),
        ({"postgresMonitoringSeconds": 7}, "postgresMonitoringSeconds: 7 must be one of 0, 1, 5, 10, 15, 30, 60"),
        ({"postgresStorageGib": 10}, "postgresStorageGib: input should be greater than or equal to 20, not 10"),
        ({"postgresMaxStorageGib": 210}, "postgresMaxStorageGib must be 10 % above postgresStorageGib, 220 or more"),
        ({"logRetentionDays": 8}, "logRetentionDays: 8 must be one of 1, 3, 5, 7,"),
        ({"postgresBackupWindow": "5pm"}, "'5pm' must be hh:mm-hh:mm"),
        ({"postgresBackupWindow": "17:00-17:10"}, "'17:00-17:10' must be hh:mm-hh:mm in UTC, of 30 minutes or more"),
        ({"redisMaintenanceWindow": "17:00-18:00"}, "'17:00-18:00' must be ddd:hh:mm-ddd:hh:mm in UTC"),
        (
            {"redisMaintenanceWindow": "sun:18:30-sun:19:30"},
            "redisMaintenanceWindow (sun:18:30-sun:19:30) overlaps postgresMaintenanceWindow (sun:18:00-sun:19:00)",
        ),
        (
            {"postgresMaintenanceWindow": "sun:17:00-sun:18:00"},
            "postgresMaintenanceWindow (sun:17:00-sun:18:00) overlaps postgresBackupWindow (17:00-17:30)",
        ),
        ({"postgresBackupDays": 0}, "postgresBackupDays is off, but the environment is protected"),
        ({"redisSnapshotDays": 0}, "redisSnapshotDays is off, but the environment is protected"),
        ({"finalSnapshot": 0}, "finalSnapshot is off, but the environment is protected"),
        ({"postgresMultiAz": False}, "postgresMultiAz is off, but the environment is protected"),
        ({"copyDays": 0}, "copyDays is off, but the environment is protected"),
        ({"copyRegion": "Osaka"}, "copyRegion: 'Osaka' must be a region, such as ap-northeast-3"),
        ({"copyAccountVault": "copies"}, "copyAccountVault: 'copies' must be the ARN of a backup vault"),
        ({"restoreFrom": "db-ABC@yesterday"}, "restoreFrom: 'db-ABC@yesterday' must be a snapshot's name or ARN, or"),
        ({"databaseCredentials": "mine"}, "databaseCredentials: input should be 'generated' or 'rds-managed'"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_sentence(values: dict[str, Any], error: str) -> None:
    assert error in sentence(**values)
    assert sentence(**values).startswith("projects/data/Pulumi.test.yaml: ")
