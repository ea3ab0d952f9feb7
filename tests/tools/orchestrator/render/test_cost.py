"""Estimates of cost, as a table, as JSON, and in sentences."""

import json
from typing import Any

from tools.orchestrator.model.operation import Action, Operation, PlannedResource
from tools.orchestrator.render.cost import as_json, as_table, difference, notes
from tools.orchestrator.run.cost import estimate


def resource(kind: str, **inputs: Any) -> PlannedResource:
    return PlannedResource(kind, "it", inputs)


KEY = resource("aws:kms/key:Key")
QUEUE = resource("aws:sqs/queue:Queue")
STREAM = resource("aws:kinesis/stream:Stream", shardCount=2)


def preview(layer: str, present: list[PlannedResource], planned: list[PlannedResource]) -> Operation:
    operation = Operation(layer, Action.PREVIEW)
    operation.present = {str(number): each for number, each in enumerate(present)}
    operation.planned = {str(number): each for number, each in enumerate(planned)}
    return operation


def test_a_plan_has_a_line_with_the_cost_before_and_after() -> None:
    assert difference([preview("security", [KEY], [KEY, STREAM]), preview("data", [KEY], [])]).startswith(
        "estimated cost: 2 USD a month before, 29 after"
    )


def test_a_resource_without_a_price_is_named() -> None:
    found = estimate([resource("aws:dynamodb/table:Table")])
    assert f"no price for {found.unpriced[0]}" in notes({"data": found})


def test_a_charge_by_usage_is_named_once() -> None:
    [first, last] = notes({"streaming": estimate([QUEUE, QUEUE]), "data": estimate([QUEUE])})
    assert first == "billed by usage and not in it: queue requests, data transfer"
    assert last.startswith("an estimate from list prices of ap-northeast-1")


def test_the_sources_of_the_used_prices_are_named_with_their_dates() -> None:
    database = resource("aws:rds/instance:Instance", instanceClass="db.t4g.micro", allocatedStorage=20)
    composite = resource("aws:cloudwatch/compositeAlarm:CompositeAlarm")
    found = [line for line in notes({"data": estimate([KEY, database, composite])}) if line.startswith("prices ")]
    tokyo, seoul = found
    assert tokyo.endswith("Tokyo (2026-09-17 to 2026-09-23): kms key, db.t4g.micro, database gp3 GiB")
    assert "Seoul" in seoul
    assert seoul.endswith("(2026-11-28): composite alarm")


def test_json_has_every_price_with_its_source() -> None:
    found = json.loads(as_json({"security": estimate([KEY, KEY])}))
    assert found["usd_a_month"] == 2
    assert found["estimate"] is True
    assert found["layers"]["security"]["kms key"] == {
        "units": 2,
        "usd_a_month": 2,
        "usage": "ap-northeast-1-KMS-Keys",
        "page": "https://aws.amazon.com/kms/pricing/",
        "basis": "tokyo",
        "by": "the cost_model.py of a public repository (milk-camera)",
        "date": "2026-09-23",
    }


def test_the_table_has_a_total_for_each_layer_and_for_all() -> None:
    table = as_table({"security": estimate([KEY, KEY]), "streaming": estimate([QUEUE])})
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    assert rows == [
        ("security", "kms key", "2", "2.00"),
        ("security", "", "", "2.00"),
        ("streaming", "", "", "0.00"),
        ("total", "", "", "2.00"),
    ]
