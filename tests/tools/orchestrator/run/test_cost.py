"""The estimate of what an environment costs."""

from collections.abc import Callable
from typing import Any

import pytest

from projects.data.sizes import DATABASE_CLASSES, NODE_TYPES
from shared.graph import LAYERS
from tools.orchestrator.model.operation import UNKNOWN, Action, Operation, PlannedResource
from tools.orchestrator.render import cost
from tools.orchestrator.run.cost import QUANTITIES, estimate, price_book

RDS = "aws:rds/instance:Instance"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
STREAM = "aws:kinesis/stream:Stream"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
SMALL = {"instanceClass": "db.t3.micro", "allocatedStorage": 20}
LARGE = {"instanceClass": "db.m7g.xlarge", "allocatedStorage": 100, "databaseInsightsMode": "advanced"}


def resource(kind: str, **inputs: Any) -> PlannedResource:
    return PlannedResource(kind, "it", inputs)


@pytest.mark.parametrize(
    ("kind", "inputs", "quantities"),
    [
        (STREAM, {"shardCount": 2}, {"kinesis shard": 2}),
        (STREAM, {"shardCount": 2, "retentionPeriod": 24, "shardLevelMetrics": []}, {"kinesis shard": 2}),
        (
            STREAM,
            {"shardCount": 2, "retentionPeriod": 25, "shardLevelMetrics": ["a", "b", "c"]},
            {"kinesis shard": 2, "kinesis shard kept longer than 24 h": 2, "kinesis shard metric": 6},
        ),
        (ENDPOINT, {"vpcEndpointType": "Gateway"}, {}),
        (
            ENDPOINT,
            {"vpcEndpointType": "Interface", "subnetIds": [UNKNOWN, UNKNOWN]},
            {"interface endpoint in a zone": 2},
        ),
        (RDS, SMALL, {"db.t3.micro": 1, "database gp3 GiB": 20}),
        (RDS, {**SMALL, "multiAz": True}, {"db.t3.micro": 2, "database gp3 GiB": 40}),
        (RDS, LARGE, {"db.m7g.xlarge": 1, "database gp3 GiB": 100, "database insights vCPU": 4}),
        (
            RDS,
            {**LARGE, "multiAz": True},
            {"db.m7g.xlarge": 2, "database gp3 GiB": 200, "database insights vCPU": 8},
        ),
        (
            RDS,
            {**SMALL, "manageMasterUserPassword": True},
            {"db.t3.micro": 1, "database gp3 GiB": 20, "secret": 1},
        ),
        (CACHE, {"nodeType": "cache.m7g.large", "numCacheClusters": 3}, {"cache.m7g.large": 3}),
        (ALARM, {"metricName": "CPUUtilization"}, {"alarm metric": 1}),
        (
            ALARM,
            {"metricQueries": [{"metric": {}}, {"metric": {}}, {"expression": "a / b"}]},
            {"alarm metric": 2},
        ),
        (ALARM, {"metricQueries": [{"expression": "SELECT"}]}, {"alarm metric": 1}),
        ("aws:kms/key:Key", {}, {"kms key": 1}),
        ("aws:ec2/vpc:Vpc", {}, {}),
        ("txmon:data:Postgres", {}, {}),
        ("pulumi:providers:aws", {}, {}),
    ],
)
def test_priced_units_follow_from_the_inputs(kind: str, inputs: dict, quantities: dict) -> None:
    found = estimate([resource(kind, **inputs)])
    assert found.quantities == quantities
    assert found.unpriced == ()


@pytest.mark.parametrize("env", ["local", "dev", "prod"])
def test_the_price_book_knows_every_resource_of_the_layers(run_layer: Callable, env: str) -> None:
    resources = [
        PlannedResource(each.typ, each.name, each.inputs)
        for layer in LAYERS
        for each in run_layer(layer, env).resources
    ]
    assert estimate(resources).total > 100
    assert estimate(resources).unpriced == ()


def test_total_is_units_times_price_times_hours_of_a_month() -> None:
    found = estimate([resource(STREAM, shardCount=3), resource("aws:kms/key:Key"), resource("aws:kms/key:Key")])
    assert found.total == pytest.approx(3 * 0.0195 * 730 + 2)


@pytest.mark.parametrize(
    ("kind", "inputs", "reason"),
    [
        ("aws:dynamodb/table:Table", {}, "the price book does not know the type"),
        (RDS, {**SMALL, "instanceClass": "db.r7g.large"}, "the price book has no db.r7g.large"),
        (RDS, {**LARGE, "instanceClass": "db.x9.large"}, "the price book has no db.x9.large"),
        (STREAM, {"shardCount": UNKNOWN}, "what its price depends on is not known yet"),
        (STREAM, {}, "what its price depends on is not known yet"),
        (ENDPOINT, {"vpcEndpointType": "Interface", "subnetIds": UNKNOWN}, "what its price depends on is not known"),
    ],
)
def test_a_resource_without_price_is_named_with_the_reason_and_costs_nothing(
    kind: str, inputs: dict, reason: str
) -> None:
    found = estimate([resource(kind, **inputs)])
    assert found.total == 0
    assert found.unpriced[0].startswith(f"{kind} it: {reason}")
    assert f"no price for {found.unpriced[0]}" in cost.notes({"data": found})


def test_the_price_book_does_not_contradict_itself() -> None:
    book = price_book()
    assert not book.free & (book.by_usage.keys() | QUANTITIES.keys())
    assert book.vcpus.keys() == {name for name in book.prices if name.startswith("db.")}
    assert {price.basis for price in book.prices.values()} <= book.bases.keys()
    assert all(price.page.startswith("https://aws.amazon.com/") and price.usd > 0 for price in book.prices.values())


def test_every_class_that_the_settings_allow_has_a_price() -> None:
    prices = price_book().prices
    assert [name for name in (*DATABASE_CLASSES, *NODE_TYPES) if name not in prices] == []
    assert price_book().vcpus == {name: size.vcpus for name, size in DATABASE_CLASSES.items()}


def preview(layer: str, present: list[PlannedResource], planned: list[PlannedResource]) -> Operation:
    operation = Operation(layer, Action.PREVIEW)
    operation.present = {str(number): each for number, each in enumerate(present)}
    operation.planned = {str(number): each for number, each in enumerate(planned)}
    return operation
