"""What an environment would cost a month, estimated from the resources of a preview and a dated price book.

Only what a resource costs by being there: what is billed by usage is named, not guessed.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel
from rich.table import Table

from tools.orchestrator.engine.operation import Operation, Resource

BOOK = Path(__file__).with_name("prices.yaml")

Inputs = Mapping[str, Any]
Quantity = tuple[str, float]
"""The name of a price in the book, and how many units of it."""


class Price(BaseModel):
    """A list price, and how it is known."""

    usd: float
    per: Literal["hour", "month"]
    source: str
    date: date


class PriceBook(BaseModel):
    """Prices of one region, and what is known to cost nothing or only by usage."""

    region: str
    hours: int
    prices: dict[str, Price]
    vcpus: dict[str, int]
    by_usage: dict[str, str]
    free: frozenset[str]

    def monthly(self, name: str) -> float:
        price = self.prices[name]
        return price.usd * (self.hours if price.per == "hour" else 1)


@cache
def price_book() -> PriceBook:
    return PriceBook.model_validate(yaml.safe_load(BOOK.read_text()))


def _stream(inputs: Inputs) -> Iterator[Quantity]:
    shards = float(inputs["shardCount"])
    yield "kinesis shard", shards
    if inputs.get("retentionPeriod", 24) > 24:  # noqa: PLR2004 (hours that are included)
        yield "kinesis shard kept longer than 24 h", shards
    yield "kinesis shard metric", shards * len(inputs.get("shardLevelMetrics", ()))


def _endpoint(inputs: Inputs) -> Iterator[Quantity]:
    if inputs["vpcEndpointType"] == "Interface":  # gateways are free
        yield "interface endpoint in a zone", len(_known_list(inputs["subnetIds"]))


def _database(inputs: Inputs) -> Iterator[Quantity]:
    zones = 2 if inputs.get("multiAz") else 1
    yield inputs["instanceClass"], zones
    yield "database gp3 GiB", zones * float(inputs["allocatedStorage"])
    if inputs.get("databaseInsightsMode") == "advanced":
        yield "database insights vCPU", zones * price_book().vcpus.get(inputs["instanceClass"], 0)
    if inputs.get("manageMasterUserPassword"):
        yield "secret", 1


def _cache(inputs: Inputs) -> Iterator[Quantity]:
    yield inputs["nodeType"], float(inputs["numCacheClusters"])


def _alarm(inputs: Inputs) -> Iterator[Quantity]:
    metrics = [query for query in inputs.get("metricQueries", ()) if "metric" in query]
    yield "alarm metric", max(1, len(metrics))


def _one(name: str) -> Callable[[Inputs], Iterator[Quantity]]:
    return lambda _: iter([(name, 1)])


QUANTITIES: dict[str, Callable[[Inputs], Iterator[Quantity]]] = {
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": _one("composite alarm"),
    "aws:cloudwatch/dashboard:Dashboard": _one("dashboard"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:elasticache/replicationGroup:ReplicationGroup": _cache,
    "aws:kinesis/stream:Stream": _stream,
    "aws:kms/key:Key": _one("kms key"),
    "aws:rds/instance:Instance": _database,
    "aws:secretsmanager/secret:Secret": _one("secret"),
}
"""Resource type -> what it costs, from its inputs as the engine tells them."""


def _known_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


@dataclass(frozen=True)
class Estimate:
    """What resources cost a month, by the prices they need, and what that leaves out."""

    quantities: Mapping[str, float]
    unpriced: tuple[str, ...]
    """Resources without a price here, each with the reason."""
    by_usage: tuple[str, ...]

    @property
    def total(self) -> float:
        return sum(price_book().monthly(name) * units for name, units in self.quantities.items())


def estimate(resources: Iterable[Resource]) -> Estimate:
    """The cost of resources as they stand in a preview; never fails, what it cannot price it names."""
    book = price_book()
    quantities: defaultdict[str, float] = defaultdict(float)
    unpriced: list[str] = []
    by_usage: dict[str, None] = {}
    for resource in resources:
        if not resource.type.startswith("aws:") or resource.type in book.free:
            continue
        if resource.type in book.by_usage:
            by_usage[book.by_usage[resource.type]] = None
        try:
            for name, units in _needed(resource):
                quantities[name] += units
        except _NoPriceError as error:
            unpriced.append(f"{resource.type} {resource.name}: {error}")
    return Estimate({name: units for name, units in quantities.items() if units}, tuple(unpriced), tuple(by_usage))


class _NoPriceError(Exception):
    """Why a resource has no price."""


def _needed(resource: Resource) -> list[Quantity]:
    book = price_book()
    if resource.type not in QUANTITIES:
        if resource.type in book.by_usage:
            return []
        raise _NoPriceError("the price book does not know the type")
    try:
        needed = list(QUANTITIES[resource.type](resource.inputs))
    except (KeyError, TypeError, ValueError):
        raise _NoPriceError("what its price depends on is not known yet") from None
    missing = [name for name, _ in needed if name not in book.prices]
    if missing:
        raise _NoPriceError(f"the price book has no {', '.join(missing)}")
    return needed


def of_layers(operations: Iterable[Operation]) -> dict[str, Estimate]:
    """Layer -> the cost of what its preview has planned."""
    return {operation.layer: estimate(operation.planned.values()) for operation in operations}


def difference(operations: Iterable[Operation]) -> str:
    """What the plan of these previews would change, as a line."""
    previews = list(operations)
    before = sum(estimate(preview.present.values()).total for preview in previews)
    after = sum(estimated.total for estimated in of_layers(previews).values())
    return f"estimated cost: {before:.0f} USD a month before, {after:.0f} after, without what is billed by usage"


def as_table(found: Mapping[str, Estimate]) -> Table:
    """A row a layer and price, and the totals."""
    book = price_book()
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "what", "units", "USD a month"):
        table.add_column(heading, justify="left" if heading in {"layer", "what"} else "right")
    for layer, estimated in found.items():
        for name, units in estimated.quantities.items():
            table.add_row(layer, name, f"{units:g}", f"{book.monthly(name) * units:.2f}")
        table.add_row(layer, "", "", f"{estimated.total:.2f}", style="bold")
    table.add_row("total", "", "", f"{_total(found):.2f}", style="bold")
    return table


def _total(found: Mapping[str, Estimate]) -> float:
    return sum(estimated.total for estimated in found.values())


def notes(found: Mapping[str, Estimate]) -> list[str]:
    """What the estimate leaves out and how good it is, a line each."""
    by_usage = dict.fromkeys(what for estimated in found.values() for what in estimated.by_usage)
    lines = [f"no price for {what}" for estimated in found.values() for what in estimated.unpriced]
    if by_usage:
        lines.append(f"billed by usage and not in it: {', '.join(by_usage)}, data transfer")
    return [
        *lines,
        f"an estimate from list prices of {price_book().region}, without tax; {'; '.join(_sources(found))}",
    ]


def _sources(found: Mapping[str, Estimate]) -> list[str]:
    """How the prices that were needed are known, and since when."""
    prices = price_book().prices
    used = (prices[name] for estimated in found.values() for name in estimated.quantities)
    return list(dict.fromkeys(f"{price.source} ({price.date})" for price in used))


def as_json(found: Mapping[str, Estimate]) -> str:
    """The estimate with the source of each price."""
    book = price_book()
    layers = {
        layer: {
            name: {
                "units": units,
                "usd_a_month": round(book.monthly(name) * units, 2),
                **book.prices[name].model_dump(mode="json", include={"source", "date"}),
            }
            for name, units in estimated.quantities.items()
        }
        for layer, estimated in found.items()
    }
    return json.dumps(
        {
            "estimate": True,
            "region": book.region,
            "usd_a_month": round(_total(found), 2),
            "layers": layers,
            "notes": notes(found),
        },
        indent=2,
    )
