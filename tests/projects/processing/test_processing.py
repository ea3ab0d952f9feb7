"""The processing layer's program with its committed stack files, under mocks."""

import json
from decimal import Decimal
from typing import Any

import pulumi
import pytest

from projects.processing import package
from projects.processing.app import schema
from projects.processing.app.rules import Rules
from projects.processing.config import ProcessingConfig
from shared.contracts import DataContract, NetworkContract, SecurityContract, StreamingContract
from tools.localcloud.lifecycle import LACKING

FUNCTION = "aws:lambda/function:Function"
INVOCATION = "aws:lambda/invocation:Invocation"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
GRANT = "aws:iam/rolePolicy:RolePolicy"

NETWORK, SECURITY = NetworkContract.example(), SecurityContract.example()
STREAMING, DATA = StreamingContract.example(), DataContract.example()

FUNCTIONS = {
    "consumer": ("kinesis_role_arn", "app.consume.handler", 1024),
    "migrator": ("migrator_role_arn", "app.migrate.handler", 1024),
}

EXAMPLE = '{"amount":{"JPY":"1000000"},"velocity":{"transactions":10,"seconds":60},"repeat":{"seconds":120}}'
"""The rules of dev and local."""

every_function = pytest.mark.parametrize("who", FUNCTIONS)


def function(run: Any, who: str) -> dict[str, Any]:
    return dict(run.one(FUNCTION, f"{who}-function-{run.env}"))


def variables(run: Any, who: str) -> dict[str, str]:
    return dict(function(run, who)["environment"]["variables"])


def with_retention(env: str, hours: int) -> dict[str, dict[str, Any]]:
    """Return the outputs of a streaming layer whose stream has this retention."""
    return {"streaming": STREAMING | {"environment_suffix": env, "kinesis_retention_hours": hours}}


# Functions


@every_function
def test_a_function_runs_the_zip_in_the_private_subnets_under_its_role(run_layer, env: str, who: str) -> None:
    role, handler, memory = FUNCTIONS[who]
    made = function(run_layer("processing", env), who)
    assert made["name"] == f"transaction-{who}-{env}"
    assert made["role"] == SECURITY[role]
    assert (made["runtime"], made["architectures"]) == ("python3.13", ["arm64"])
    assert (made["handler"], made["memorySize"], made["timeout"]) == (handler, memory, 900)
    assert made["code"].path == str(package.build())
    assert made["vpcConfig"] == {
        "subnetIds": NETWORK["private_subnet_ids"],
        "securityGroupIds": [NETWORK["consumer_security_group_id"]],
    }
    assert made["replaceSecurityGroupsOnDestroy"] is True


@every_function
def test_a_function_logs_json_to_the_encrypted_log_group(run_layer, env: str, who: str) -> None:
    run = run_layer("processing", env)
    group = run.one(LOG_GROUP)
    assert group["name"] == f"/aws/transaction-monitoring/{env}/processing"
    assert group["kmsKeyId"] == SECURITY["telemetry_key_arn"]
    assert group["retentionInDays"] == (365 if env == "prod" else 7)
    assert group["deletionProtectionEnabled"] is (env == "prod")
    logging = function(run, who)["loggingConfig"]
    assert (logging["logGroup"], logging["logFormat"]) == (group["name"], "JSON")


@every_function
def test_a_function_finds_the_stores_by_its_variables(run_layer, env: str, who: str) -> None:
    found = variables(run_layer("processing", env), who)
    assert found.pop("OUTAGE_SECONDS") == ("780" if who == "consumer" else "120")
    assert found.pop("DB_MASTER_SECRET_ARN", None) == (DATA["rds_secret_arn"] if who == "migrator" else None)
    assert found == {
        "TXMON_ENVIRONMENT": env,
        "DB_HOST": DATA["rds_address"],
        "DB_PORT": "5432",
        "DB_NAME": "transactions",
        "DB_USER": "tx_consumer",
        "REDIS_HOST": DATA["redis_endpoint"],
        "REDIS_PORT": "6379",
        "REDIS_SECRET_ARN": SECURITY["redis_secret_arn"],
        "HISTORY_HOURS": "24",
        "PROCESSING_SECONDS": "12",  # the contract's example has a retention of a day
        "RULES": "{}" if env == "prod" else EXAMPLE,
    }


def test_the_consumer_understands_the_rules() -> None:
    assert Rules.read("{}") == Rules()
    assert Rules.read(EXAMPLE) == Rules({"JPY": Decimal(1000000)}, 10, 60, 120)


def test_no_function_has_a_secret_value(run_layer, env: str) -> None:
    run = run_layer("processing", env)
    assert not [call.token for call in run.calls if "secretsmanager" in call.token]
    assert not {name for name, _ in run.secret_inputs if name.startswith(("consumer", "migrator"))}


def test_new_code_waits_for_the_migration(run_layer, env: str) -> None:
    run = run_layer("processing", env)
    migration = run.one(INVOCATION)
    digest = schema.digest()
    assert migration["functionName"] == f"transaction-migrator-{env}"
    assert json.loads(migration["input"]) == {"migrate": digest}
    assert migration["triggers"] == {"migrations": digest, "database": DATA["rds_resource_id"]}
    assert f"migration-{env}" in run.waits_for[f"consumer-function-{env}"]
    assert run.exports["schema_version"] == 1


def test_functions_can_log_before_they_run(run_layer, env: str) -> None:
    waits_for = run_layer("processing", env).waits_for
    for who in FUNCTIONS:
        assert f"{who}-function-logs-{env}" in waits_for[f"{who}-function-{env}"]


def test_the_layer_grants_nothing_but_to_write_these_logs(run_layer, statements, env: str) -> None:
    grants = {
        each.inputs["role"]: statements(each.inputs["policy"]) for each in run_layer("processing", env).all(GRANT)
    }
    assert grants.keys() == {SECURITY["kinesis_role_name"], SECURITY["migrator_role_name"]}
    for grant in grants.values():
        [statement] = grant.values()
        assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
        assert statement["Resource"] == [
            f"arn:aws:test:ap-northeast-1:123456789012:processing-logs-{env}:log-stream:*"
        ]


def test_only_production_protects_the_logs(run_layer) -> None:
    assert run_layer("processing", "prod").protected == {"processing-logs-prod"}
    assert not run_layer("processing", "dev").protected


def test_concurrency_is_reserved_only_if_asked_for(run_layer) -> None:
    assert "reservedConcurrentExecutions" not in function(run_layer("processing", "prod"), "consumer")
    run = run_layer("processing", "prod", config={"reservedConcurrency": 2})
    assert function(run, "consumer")["reservedConcurrentExecutions"] == 2
    assert "reservedConcurrentExecutions" not in function(run, "migrator")


# The mapping


@pytest.mark.parametrize(("hours", "age", "attempts"), [(24, 43_200, 56), (168, 302_400, 388), (8760, 604_800, 776)])
def test_the_mapping_gives_up_at_half_the_retention(run_layer, hours: int, age: int, attempts: int) -> None:
    run = run_layer("processing", "dev", upstream=with_retention("dev", hours))
    assert run.one(MAPPING) == {
        "eventSourceArn": STREAMING["kinesis_stream_arn"],
        "functionName": "arn:aws:lambda:ap-northeast-1:123456789012:function:consumer-function-dev",
        "enabled": True,
        "startingPosition": "TRIM_HORIZON",
        "batchSize": 500,
        "maximumBatchingWindowInSeconds": 0,
        "parallelizationFactor": 1,
        "functionResponseTypes": ["ReportBatchItemFailures"],
        "bisectBatchOnFunctionError": True,
        "maximumRetryAttempts": attempts,
        "maximumRecordAgeInSeconds": age,
        "destinationConfig": {"onFailure": {"destinationArn": STREAMING["dead_letter_queue_arn"]}},
        "metricsConfig": {"metrics": ["EventCount"]},
        "tags": {"Name": "stream-mapping-dev"},
    }
    assert run.exports["record_age_seconds"] == age


def test_an_operator_can_give_up_earlier_but_not_later(run_layer) -> None:
    for given, attempts in ((3, 3), (10_000, 56)):
        run = run_layer("processing", "dev", config={"maximumRetryAttempts": given})
        assert run.one(MAPPING)["maximumRetryAttempts"] == attempts


# The console


def test_operators_have_no_way_in_by_default(run_layer, env: str) -> None:
    run = run_layer("processing", env)
    assert {each.inputs["name"].rpartition("-")[0] for each in run.resources if each.typ == FUNCTION} == {
        "transaction-consumer", "transaction-migrator"
    }  # fmt: skip
    assert "rds-db:connect" not in "".join(each.inputs["policy"] for each in run.resources if each.typ == GRANT)


def test_a_function_of_its_own_reads_for_operators_and_may_log_in_as_nobody_else(run_layer, statements) -> None:
    run = run_layer("processing", "prod", config={"operatorAccess": True})
    made, migrator = function(run, "console"), function(run, "migrator")
    assert made["name"] == "transaction-console-prod"
    assert (made["handler"], made["timeout"], made["role"]) == ("app.console.handler", 60, migrator["role"])
    for same in ("runtime", "architectures", "vpcConfig", "loggingConfig"):
        assert made[same] == migrator[same]
    assert made["environment"]["variables"]["DB_USER"] == "tx_operator"
    assert "DB_MASTER_SECRET_ARN" not in made["environment"]["variables"]
    grant = run.one(GRANT, "console-login-prod")
    assert grant["role"] == SECURITY["migrator_role_name"]
    login = statements(grant["policy"])["OperatorLogin"]
    assert login["Action"] == ["rds-db:connect"]
    assert [arn.rpartition("dbuser:")[2] for arn in login["Resource"]] == [f"{DATA['rds_resource_id']}/tx_operator"]


@pytest.mark.parametrize(("env", "runs"), [("local", False), ("dev", True)])
def test_only_a_local_environment_may_lack_servers(
    run_layer, monkeypatch: pytest.MonkeyPatch, env: str, runs: bool
) -> None:
    monkeypatch.setenv(LACKING, "PostgreSQL, Valkey")
    run = run_layer("processing", env, config={"operatorAccess": True})
    assert function(run, "console")
    assert run.one(MAPPING)["enabled"] is runs
    assert len(run.all(INVOCATION)) == run.exports["schema_version"] == int(runs)


# Previews and settings


def test_a_preview_works_before_other_layers_are_deployed(run_layer) -> None:
    nothing: dict[str, dict[str, Any]] = {name: {} for name in ("network", "security", "streaming", "data")}
    run = run_layer("processing", "dev", upstream=nothing, preview=True)
    assert function(run, "consumer")["name"] == "transaction-consumer-dev"
    assert run.one(MAPPING)["batchSize"] == 500


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"memory": 512}, "did you mean 'memoryMib'?"),
        ({"memoryMib": 128}, "memoryMib: input should be greater than or equal to 256, not 128"),
        ({"maximumRetryAttempts": 10_001}, "maximumRetryAttempts: input should be less than or equal to 10000"),
        ({"reservedConcurrency": 0}, "reservedConcurrency: input should be greater than or equal to 1, not 0"),
        ({"rules": {"amount": {"yen": 5}}}, "rules.amount.yen.[key]: string should match pattern"),
        ({"rules": {"amount": {"JPY": 0}}}, "rules.amount.JPY: input should be greater than 0, not 0"),
        ({"rules": {"velocity": {"seconds": 5}}}, "rules.velocity.transactions: field required"),
        (
            {"rules": {"repeat": {"seconds": 90_000}}},
            "rules.repeat.seconds: input should be less than or equal to 86400",
        ),
        ({"rules": {"speed": 5}}, "rules"),
        ({"logRetentionDays": 8}, "logRetentionDays: 8 must be one of 1, 3, 5, 7,"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_sentence(values: dict[str, Any], error: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        ProcessingConfig.parse({"environmentSuffix": "test", **values}, "projects/processing/Pulumi.test.yaml")
    assert str(refused.value).startswith("projects/processing/Pulumi.test.yaml: ")
    assert error in str(refused.value)
    assert "\n" not in str(refused.value)
