"""Estimates what an environment costs a month, from the resources of a preview and a price book with dates.

The estimate covers what a resource costs while it exists. Charges by usage are named, not guessed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel

from tools.orchestrator.model.operation import Operation, PlannedResource

BOOK = Path(__file__).with_name("prices.yaml")

Inputs = Mapping[str, Any]
Quantity = tuple[str, float]
"""The name of a price in the book, and the number of units."""


class Price(BaseModel):
    """A list price with its source."""

    usd: float
    per: Literal["hour", "month"]
    usage: str
    """AWS's usage type, under which its Price List has the price."""
    page: str
    """AWS's page with the price."""
    basis: str
    """What is quoted: a key of the book's `bases`."""
    by: str
    """Who quotes it."""
    date: date


class PriceBook(BaseModel):
    """Prices of one region, and the types that cost nothing or are charged by usage only."""

    region: str
    hours: int
    bases: dict[str, str]
    """What each basis of a price means."""
    prices: dict[str, Price]
    vcpus: dict[str, int]
    by_usage: dict[str, str]
    free: frozenset[str]

    def monthly(self, name: str) -> float:
        price = self.prices[name]
        return price.usd * (self.hours if price.per == "hour" else 1)


@cache
def price_book() -> PriceBook:
    return PriceBook.model_validate(yaml.safe_load(BOOK.read_text("utf-8")))


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
"""Resource type -> the priced units, from the inputs."""


def _known_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


@dataclass(frozen=True)
class Estimate:
    """What resources cost a month, by price, and what the estimate leaves out."""

    quantities: Mapping[str, float]
    unpriced: tuple[str, ...]
    """Resources without a price here, or without one of their prices, each with the reason."""
    by_usage: tuple[str, ...]

    @property
    def total(self) -> float:
        return sum(price_book().monthly(name) * units for name, units in self.quantities.items())


def estimate(resources: Iterable[PlannedResource]) -> Estimate:
    """Return the cost of a preview's resources; names the resources that it cannot price."""
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
            needed = _needed(resource)
        except _NoPriceError as error:
            unpriced.append(f"{resource.type} {resource.name}: {error}")
            continue
        for name, units in needed:
            if name in book.prices:
                quantities[name] += units
            else:
                unpriced.append(
                    f"{resource.type} {resource.name}: no source is known for the price of {units:g} {name}"
                )
    return Estimate({name: units for name, units in quantities.items() if units}, tuple(unpriced), tuple(by_usage))


class _NoPriceError(Exception):
    """Why a resource has no price."""


def _needed(resource: PlannedResource) -> list[Quantity]:
    book = price_book()
    if resource.type not in QUANTITIES:
        if resource.type in book.by_usage:
            return []
        raise _NoPriceError("the price book does not know the type")
    try:
        return list(QUANTITIES[resource.type](resource.inputs))
    except (KeyError, TypeError, ValueError):
        raise _NoPriceError("what its price depends on is not known yet") from None


def of_layers(operations: Iterable[Operation]) -> dict[str, Estimate]:
    """Return layer -> the cost of what its preview has planned."""
    return {operation.layer: estimate(operation.planned.values()) for operation in operations}


def total(estimates: Mapping[str, Estimate]) -> float:
    """Return the sum of the layers' costs, in USD a month."""
    return sum(each.total for each in estimates.values())
