"""The estimate of what an environment costs."""

from collections.abc import Callable
from typing import Any

import pytest

from projects.data.sizes import DATABASE_CLASSES
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
INSIGHTS = "no source is known for the price of {} database insights vCPU"


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
    found = estimate(resources)
    assert found.total > 100
    insights = INSIGHTS.format(4)  # the only price that nobody quotes; only production has it
    assert [each.partition(": ")[2] for each in found.unpriced] == [insights] * (env == "prod")


@pytest.mark.parametrize(("multi_az", "vcpus"), [(False, 4), (True, 8)])
def test_a_part_without_a_source_is_named_and_the_rest_is_priced(multi_az: bool, vcpus: int) -> None:
    inputs = {"instanceClass": "db.m7g.xlarge", "allocatedStorage": 100, "databaseInsightsMode": "advanced"}
    found = estimate([resource(RDS, **inputs, multiAz=multi_az)])
    assert found.quantities == {"db.m7g.xlarge": vcpus / 4, "database gp3 GiB": 25 * vcpus}
    assert found.unpriced == (f"{RDS} it: {INSIGHTS.format(vcpus)}",)


def test_total_is_units_times_price_times_hours_of_a_month() -> None:
    found = estimate([resource(STREAM, shardCount=3), resource("aws:kms/key:Key"), resource("aws:kms/key:Key")])
    assert found.total == pytest.approx(3 * 0.0195 * 730 + 2)


@pytest.mark.parametrize(
    ("kind", "inputs", "reason"),
    [
        ("aws:dynamodb/table:Table", {}, "the price book does not know the type"),
        (CACHE, {"nodeType": "cache.x9", "numCacheClusters": 2}, "no source is known for the price of 2 cache.x9"),
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
    assert book.vcpus.keys() >= {name for name in book.prices if name.startswith("db.")}
    assert {price.basis for price in book.prices.values()} <= book.bases.keys()
    assert all(price.page.startswith("https://aws.amazon.com/") and price.usd > 0 for price in book.prices.values())


def test_the_price_book_knows_the_vcpus_of_every_class_that_the_settings_allow() -> None:
    assert price_book().vcpus == {name: size.vcpus for name, size in DATABASE_CLASSES.items()}


def preview(layer: str, present: list[PlannedResource], planned: list[PlannedResource]) -> Operation:
    operation = Operation(layer, Action.PREVIEW)
    operation.present = {str(number): each for number, each in enumerate(present)}
    operation.planned = {str(number): each for number, each in enumerate(planned)}
    return operation
