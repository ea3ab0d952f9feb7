"""Estimates of cost as a table, as JSON and in sentences."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from rich.table import Table

from tools.orchestrator.model.operation import Operation
from tools.orchestrator.render.table import Row, table
from tools.orchestrator.run.cost import Estimate, Price, estimate, of_layers, price_book, total


def difference(operations: Iterable[Operation]) -> str:
    """Return the cost before and after what these previews plan, as a line."""
    previews = list(operations)
    before = sum(estimate(preview.present.values()).total for preview in previews)
    after = sum(estimated.total for estimated in of_layers(previews).values())
    return f"estimated cost: {before:.0f} USD a month before, {after:.0f} after, without what is billed by usage"


def as_table(found: Mapping[str, Estimate]) -> Table:
    """Return a row for each price of each layer, and the totals."""
    headings = ("layer", "what", "units", "USD a month")
    return table(*headings, rows=_rows(found), right=headings[2:])


def _rows(found: Mapping[str, Estimate]) -> Iterator[Row]:
    book = price_book()
    for layer, estimated in found.items():
        for name, units in estimated.quantities.items():
            yield Row((layer, name, f"{units:g}", f"{book.monthly(name) * units:.2f}"))
        yield Row((layer, "", "", f"{estimated.total:.2f}"), "bold")
    yield Row(("total", "", "", f"{total(found):.2f}"), "bold")


def notes(found: Mapping[str, Estimate]) -> list[str]:
    """Return lines that say what the estimate leaves out and where its prices come from."""
    by_usage = dict.fromkeys(what for estimated in found.values() for what in estimated.by_usage)
    lines = [f"no price for {what}" for estimated in found.values() for what in estimated.unpriced]
    if by_usage:
        lines.append(f"billed by usage and not in it: {', '.join(by_usage)}, data transfer")
    lines.append(f"an estimate from list prices of {price_book().region}, without tax")
    return [*lines, *(f"prices as public documents quote {source}" for source in _sources(found))]


def _sources(found: Mapping[str, Estimate]) -> list[str]:
    """Return what the prices used are quoted from, with the dates of the oldest and the newest quotation."""
    book = price_book()
    used: defaultdict[str, dict[str, Price]] = defaultdict(dict)
    for name in (name for estimated in found.values() for name in estimated.quantities):
        used[book.prices[name].basis][name] = book.prices[name]
    return [f"{book.bases[basis]} ({_dates(prices.values())}): {', '.join(prices)}" for basis, prices in used.items()]


def _dates(prices: Iterable[Price]) -> str:
    return " to ".join(dict.fromkeys(str(end(price.date for price in prices)) for end in (min, max)))


def as_json(found: Mapping[str, Estimate]) -> str:
    """Return the estimate with the source of each price."""
    book = price_book()
    layers = {
        layer: {
            name: {
                "units": units,
                "usd_a_month": round(book.monthly(name) * units, 2),
                **book.prices[name].model_dump(mode="json", include={"usage", "page", "basis", "by", "date"}),
            }
            for name, units in estimated.quantities.items()
        }
        for layer, estimated in found.items()
    }
    return json.dumps(
        {
            "estimate": True,
            "region": book.region,
            "usd_a_month": round(total(found), 2),
            "layers": layers,
            "notes": notes(found),
        },
        indent=2,
    )
