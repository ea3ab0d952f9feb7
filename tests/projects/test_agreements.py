"""Agreements between layers: names, ports, sizes and credentials that two layers must share."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml

from projects.monitoring.alarms.processing import RULES
from projects.processing.config import Rules
from shared.environments import stack_file
from shared.graph import LAYERS, project
from tools.orchestrator.repository.environments import known_environments
from tools.txmon.layers import config_class
from tools.txmon.monorepo import MONOREPO

ACCOUNT = "arn:aws:{service}:ap-northeast-1:123456789012:"


def telemetry_policy(run_layer, statements, env: str) -> dict[str, dict[str, Any]]:
    return statements(run_layer("security", env).one("aws:kms/key:Key", f"telemetry-kms-key-{env}")["policy"])


def settings(layer: str, env: str) -> dict[str, Any]:
    """Return all settings of a layer, as its stack file or the default says."""
    config = yaml.safe_load(stack_file(layer, env).read_text())["config"]
    own = {k.removeprefix(f"{project(layer)}:"): v for k, v in config.items() if k.startswith("txmon-")}
    found: dict[str, Any] = config_class(layer).parse({"environmentSuffix": env, **own}, layer).model_dump()
    return found


def created(run_layer, env: str, token: str) -> list[dict[str, Any]]:
    """Return the inputs of every resource of a type, in all layers."""
    found = [resource.inputs for layer in LAYERS for resource in run_layer(layer, env).all(token)]
    assert found, f"no layer creates {token}"
    return found


def test_the_telemetry_key_allows_every_log_group(run_layer, statements, env: str) -> None:
    condition = telemetry_policy(run_layer, statements, env)["CloudWatchLogs"]["Condition"]
    patterns = condition["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    for group in created(run_layer, env, "aws:cloudwatch/logGroup:LogGroup"):
        arn = f"{ACCOUNT.format(service='logs')}log-group:{group['name']}"
        assert any(fnmatchcase(arn, pattern) for pattern in patterns), arn


def test_the_telemetry_key_allows_every_alarm(run_layer, statements, env: str) -> None:
    pattern = telemetry_policy(run_layer, statements, env)["AlarmsToTopic"]["Condition"]["ArnLike"]["aws:SourceArn"]
    names = [alarm["name"] for alarm in created(run_layer, env, "aws:cloudwatch/metricAlarm:MetricAlarm")]
    names += [alarm["alarmName"] for alarm in created(run_layer, env, "aws:cloudwatch/compositeAlarm:CompositeAlarm")]
    for name in names:
        arn = f"{ACCOUNT.format(service='cloudwatch')}alarm:{name}"
        assert fnmatchcase(arn, pattern), arn


def test_the_rds_monitoring_role_trusts_the_instance_of_data(run_layer, env: str) -> None:
    role = run_layer("security", env).one("aws:iam/role:Role", f"rds-monitoring-role-{env}")
    [trust] = json.loads(role["assumeRolePolicy"])["Statement"]
    [instance] = created(run_layer, env, "aws:rds/instance:Instance")
    assert trust["Condition"]["ArnLike"]["aws:SourceArn"] == (
        f"{ACCOUNT.format(service='rds')}db:{instance['identifier']}"
    )


CALLED = {
    "ecs-tasks.amazonaws.com": {"ecr.api", "ecr.dkr", "logs"},  # Amazon ECR and ECS guides, "VPC endpoints"
    "lambda.amazonaws.com": set(),  # Lambda loads the code and sends the logs, not through the function's VPC
    "ec2.amazonaws.com": {"logs"},  # the CloudWatch agent
}
"""The endpoints that a workload on each service calls, besides those of its own work."""


@pytest.mark.parametrize("env", known_environments(MONOREPO))
def test_workloads_reach_what_they_call_and_nothing_else_is_paid_for(env: str) -> None:
    security, network = settings("security", env), settings("network", env)
    own = {"kinesis-streams", "secretsmanager"}  # of producers, and of the functions of processing
    services = {*security["producer_services"], *security["consumer_services"]}
    assert set(network["interface_endpoints"]) == own.union(*(CALLED[service] for service in services))


def test_databases_use_the_ports_that_the_matrix_opens(run_layer, env: str) -> None:
    opened = {
        (rule["securityGroupId"].removesuffix(f"-sg-{env}-id"), int(rule["fromPort"]))
        for rule in created(run_layer, env, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    }
    exports = run_layer("data", env).exports
    assert {("rds", exports["rds_port"]), ("redis", exports["redis_port"])} <= opened


@pytest.mark.parametrize("env", known_environments(MONOREPO))
def test_stream_and_databases_are_sized_for_the_same_load(env: str) -> None:
    def load(layer: str) -> tuple[int, int]:
        found = settings(layer, env)
        return found["transactions_per_minute"], found["bytes_per_transaction"]

    assert load("streaming") == load("data")


def test_data_uses_the_user_and_secret_that_security_exports(run_layer, env: str) -> None:
    security = run_layer("security", env).exports
    data = run_layer("data", env, upstream={"security": security})
    [instance] = [resource.inputs for resource in data.all("aws:rds/instance:Instance")]
    assert instance["username"] == security["db_username"]
    assert bool(instance.get("manageMasterUserPassword")) is (security["db_secret_arn"] == "")


def test_monitoring_has_an_alarm_on_every_rule_of_processing() -> None:
    assert set(RULES) == Rules.model_fields.keys()
