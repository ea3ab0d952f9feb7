"""Production's settings on the local cloud: protected, destroyed only the documented way, reached without a loss."""

import json
from typing import Any

import pytest
import yaml

from shared.graph import LAYERS, project
from shared.resource_types import STATEFUL

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def production(clone):  # noqa: ANN201 (a clone, as the fixture it is made of)
    """An environment with production's settings, deployed."""
    assert clone.inv("new-env", "local-prod", "--like", "prod").code == 0
    done = clone.inv("deploy-all", "--env", "local-prod")
    assert done.code == 0, done.said
    assert "breaks" not in done.said  # no rule of the policy pack
    return clone


def configure(clone, layer: str, **values: Any) -> None:
    """Write settings into the stack file of local-prod, to stay."""
    file = clone.path / "projects" / layer / "Pulumi.local-prod.yaml"
    content = yaml.safe_load(file.read_text())
    content["config"] |= {f"{project(layer)}:{key}": value for key, value in values.items()}
    file.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize("layer", ["network", "security", "streaming", "data"])
def test_everything_that_holds_state_is_protected(production, layer: str) -> None:
    held = [
        r
        for r in production.resources(layer, "local-prod")
        if r["type"] in set(STATEFUL) - {"aws:cloudwatch/logGroup:LogGroup"}
    ]
    assert held
    assert [r["urn"] for r in held if not r.get("protect")] == []


def test_aws_protects_the_database_and_keeps_backups_for_35_days(production) -> None:
    [db] = production.client("rds").describe_db_instances(DBInstanceIdentifier="txdb-local-prod")["DBInstances"]
    assert db["DeletionProtection"]
    assert db["BackupRetentionPeriod"] == 35
    assert db["CopyTagsToSnapshot"]


def test_the_consumer_cannot_reach_the_master_password_that_rds_manages(production) -> None:
    outputs, iam = production.outputs("local-prod"), production.client("iam")

    def decisions(secret: str) -> set[str]:
        results = iam.simulate_principal_policy(
            PolicySourceArn=outputs["security"]["kinesis_role_arn"],
            ActionNames=["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            ResourceArns=[secret],
        )["EvaluationResults"]
        return {result["EvalDecision"] for result in results}

    assert "rds!db" in outputs["data"]["rds_secret_arn"]
    assert decisions(outputs["data"]["rds_secret_arn"]) == {"implicitDeny"}
    assert decisions(outputs["security"]["redis_secret_arn"]) == {"allowed"}


def test_the_master_secret_admits_administrators_only_and_over_tls(production) -> None:
    secret = production.outputs("local-prod")["data"]["rds_secret_arn"]
    policy = production.client("secretsmanager").get_resource_policy(SecretId=secret)["ResourcePolicy"]
    assert {statement["Sid"] for statement in json.loads(policy)["Statement"]} == {"DenyWithoutTls", "DenyOthers"}
    assert "kinesis-role" not in policy


def test_the_stream_keeps_a_week(production) -> None:
    stream = production.client("kinesis").describe_stream(StreamName="transaction-stream-local-prod")
    assert stream["StreamDescription"]["RetentionPeriodHours"] == 168


def test_a_second_deploy_changes_nothing(production) -> None:
    done = production.inv("preview-all", "--env", "local-prod", "--expect-no-changes")
    assert done.code == 0, done.said


def test_a_new_major_version_keeps_the_old_parameter_group_until_the_window(production) -> None:
    rds = production.client("rds")

    def families() -> list[str]:
        groups = rds.describe_db_parameter_groups()["DBParameterGroups"]
        return sorted(g["DBParameterGroupFamily"] for g in groups if "local-prod" in g["DBParameterGroupName"])

    assert families() == ["postgres17"]
    configure(production, "data", postgresVersion="18")
    done = production.inv("up", "data", "--env", "local-prod")
    assert done.code == 0, done.said
    assert families() == ["postgres17", "postgres18"]
    [db] = rds.describe_db_instances(DBInstanceIdentifier="txdb-local-prod")["DBInstances"]
    assert db["EngineVersion"].startswith("18")


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        (("destroy-all",), "local-prod is protected"),
        (("destroy", "monitoring"), "local-prod is protected"),
        (("destroy", "data"), "data is still read by monitoring, processing"),
    ],
)
def test_destroy_is_refused_and_nothing_is_deleted(production, verb: tuple[str, ...], expected: str) -> None:
    before = {layer: len(production.resources(layer, "local-prod")) for layer in LAYERS}
    done = production.inv(*verb, "--env", "local-prod")
    assert done.code == 1
    assert expected in done.err
    assert {layer: len(production.resources(layer, "local-prod")) for layer in LAYERS} == before


def test_plain_pulumi_destroy_is_refused_too(production) -> None:
    done = production.shell("pulumi destroy -s local-prod --yes --cwd projects/streaming")
    assert done.code != 0
    assert "protect" in done.said
    assert production.outputs("local-prod")["streaming"]


def test_it_is_destroyed_the_documented_way(production) -> None:
    for layer in LAYERS:
        configure(production, layer, protect=False)
    lifted = production.inv("deploy-all", "--env", "local-prod")
    assert lifted.code == 0, lifted.said
    done = production.inv("destroy-all", "--env", "local-prod")
    assert done.code == 0, done.said
    told = done.out[: done.out.index("pulumi destroy --yes")]
    assert "snapshot txdb-local-prod-final-1, backups of 35 days" in told
    assert "snapshot redis-local-prod-final-1" in told
    assert "kms-key-local-prod" in told
    assert "the key itself, for what it encrypts" in told
    assert all(production.resources(layer, "local-prod") == [] for layer in LAYERS)


@pytest.mark.slow
def test_a_running_environment_takes_prod_settings_without_losing_state(clone) -> None:
    deployed = clone.inv("deploy-all")
    assert deployed.code == 0, deployed.said
    generated = clone.outputs()["security"]["db_secret_arn"]

    with clone.settings("data", databaseCredentials="rds-managed"):  # first RDS takes the password over
        done = clone.inv("up", "data")
    assert done.code == 0, done.said
    assert "set databaseCredentials to 'rds-managed' in security, too" in done.said
    managed = clone.outputs()["data"]["rds_secret_arn"]
    assert "rds!db" in managed

    files = [clone.path / "projects" / layer / "Pulumi.local.yaml" for layer in LAYERS]
    for file in files:
        production = yaml.safe_load((file.parent / "Pulumi.prod.yaml").read_text())
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "config": production["config"]}))
    plan = clone.path / ".txmon/plan.json"
    done = clone.inv("preview-all", "--save", str(plan))
    assert done.code == 0, done.said
    lost = [
        (layer, step["op"], step["name"])
        for layer, planned in json.loads(plan.read_text())["layers"].items()
        for step in planned["steps"]
        if step["type"] in STATEFUL and step["op"] in {"replace", "delete"}
    ]
    assert lost == [("security", "delete", "rds-credentials-local")]  # with a password that RDS has replaced

    done = clone.inv("deploy-all", "--plan", str(plan))
    assert done.code == 0, done.said
    assert clone.outputs()["data"]["rds_secret_arn"] == managed
    left = {secret["ARN"] for secret in clone.client("secretsmanager").list_secrets()["SecretList"]}
    assert managed in left
    assert generated not in left
