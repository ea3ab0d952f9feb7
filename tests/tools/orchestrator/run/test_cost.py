"""The estimate of what an environment costs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

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


def test_charges_by_usage_are_named_once() -> None:
    queue = resource("aws:sqs/queue:Queue")
    [first, last] = cost.notes({"streaming": estimate([queue, queue]), "data": estimate([queue])})
    assert first == "billed by usage and not in it: queue requests, data transfer"
    assert last.startswith("an estimate from list prices of ap-northeast-1")


def test_notes_name_the_sources_of_the_prices_used() -> None:
    [note] = [n for n in cost.notes({"data": estimate([resource("aws:kms/key:Key")])}) if n.startswith("an estimate")]
    assert note.endswith("; from memory, not looked up; within 25 % (2026-11-24)")


def test_the_price_book_does_not_contradict_itself() -> None:
    book = price_book()
    assert not book.free & (book.by_usage.keys() | QUANTITIES.keys())
    assert book.vcpus.keys() == {name for name in book.prices if name.startswith("db.")}
    assert all(price.source and price.usd > 0 for price in book.prices.values())


def preview(layer: str, present: list[PlannedResource], planned: list[PlannedResource]) -> Operation:
    operation = Operation(layer, Action.PREVIEW)
    operation.present = {str(number): each for number, each in enumerate(present)}
    operation.planned = {str(number): each for number, each in enumerate(planned)}
    return operation


def test_a_plan_shows_the_cost_before_and_after() -> None:
    key, stream = resource("aws:kms/key:Key"), resource(STREAM, shardCount=2)
    previews = [preview("security", [key], [key, stream]), preview("data", [key], [])]
    assert cost.difference(previews).startswith("estimated cost: 2 USD a month before, 29 after")


def test_json_has_each_price_with_its_source() -> None:
    found = json.loads(cost.as_json({"security": estimate([resource("aws:kms/key:Key")] * 2)}))
    assert found["usd_a_month"] == 2
    assert found["estimate"] is True
    assert found["layers"]["security"]["kms key"] == {
        "units": 2,
        "usd_a_month": 2,
        "source": "from memory, not looked up; within 25 %",
        "date": "2026-11-24",
    }


def test_the_table_has_a_total_of_each_layer_and_of_all() -> None:
    key, queue = estimate([resource("aws:kms/key:Key")] * 2), estimate([resource("aws:sqs/queue:Queue")])
    table = cost.as_table({"security": key, "streaming": queue})
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    assert rows == [
        ("security", "kms key", "2", "2.00"),
        ("security", "", "", "2.00"),
        ("streaming", "", "", "0.00"),
        ("total", "", "", "2.00"),
    ]
