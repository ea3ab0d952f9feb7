"""Every alarm, graph and event rule of dev and prod, compared with alarms.md.

The programs of all layers run with their committed stack files, so that thresholds follow the deployed sizes.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

TABLE = Path("projects/monitoring/alarms.md")
UPSTREAM = ("network", "security", "streaming", "data", "processing")
ENVIRONMENTS = ("dev", "prod")
SIGNS = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}


@pytest.fixture(scope="module")
def runs(run_layer) -> dict[str, Any]:
    """Run the monitoring layer in each environment, with the outputs of the environment's other layers."""
    return {env: run_layer("monitoring", env, upstream=deployed(run_layer, env)) for env in ENVIRONMENTS}


def deployed(run_layer, env: str) -> dict[str, dict[str, Any]]:
    """Return the outputs of an environment's layers, each made from those before it."""
    outputs: dict[str, dict[str, Any]] = {}
    for name in UPSTREAM:
        outputs[name] = run_layer(name, env, upstream=dict(outputs)).exports
    return outputs


def section(title: str) -> list[str]:
    """Return the rows of the table under a heading."""
    _, found, rest = TABLE.read_text(encoding="utf-8").partition(f"## {title}\n")
    assert found, f"{TABLE} has no section {title!r}"
    return [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")][2:]


def rows(cells: Iterable[Iterable[str]]) -> list[str]:
    """Return rows in Markdown. Equal rows, as those of the two Redis nodes, become one."""
    return list(dict.fromkeys(f"| {' | '.join(row)} |" for row in cells))


def inputs(run: Any, kind: str) -> dict[str, dict[str, Any]]:
    """Return the inputs of a type's resources, by logical name without prefix and environment."""
    prefix = {"metricAlarm": "alarm-", "eventRule": "rule-"}[kind]
    token = f"aws:cloudwatch/{kind}:{kind[:1].upper()}{kind[1:]}"
    return {each.name.removeprefix(prefix).removesuffix(f"-{run.env}"): each.inputs for each in run.all(token)}


def without_id(expression: str) -> str:
    return re.sub(r"vpc-[\w-]+", "vpc-…", expression).strip()


def metric_name(metric: dict[str, Any]) -> str:
    namespace = re.sub(r"^(TransactionMonitoring)/.*", r"\1/…", metric["namespace"])
    return f"{namespace} `{metric['metricName']}`"


def metric_and_statistic(alarm: dict[str, Any]) -> tuple[str, str]:
    """Return an alarm's metric and statistic. Of metric math, return the expression with its operands."""
    if "metricQueries" not in alarm:
        return metric_name(alarm), alarm["statistic"]
    result, *operands = alarm["metricQueries"]
    where = ", ".join(f"{each['id']} = {metric_name(each['metric'])}" for each in operands)
    return f"`{without_id(result['expression'])}`" + (f"; {where}" if where else ""), operands[0]["metric"][
        "stat"
    ] if operands else ""


def datapoints(alarm: dict[str, Any]) -> str:
    periods = {
        alarm.get("period"),
        *(each.get("metric", each).get("period") for each in alarm.get("metricQueries", ())),
    }
    [seconds] = periods - {None}
    return f"{alarm['datapointsToAlarm']:g} of {alarm['evaluationPeriods']:g} x {seconds:g} s"


def threshold(alarm: dict[str, Any] | None) -> str:
    return f"{SIGNS[alarm['comparisonOperator']]} {alarm['threshold']:,.12g}" if alarm else "none"


def test_alarms_match_the_page(runs: dict[str, Any]) -> None:
    by_env = {env: inputs(run, "metricAlarm") for env, run in runs.items()}
    paging = {
        env: set(re.findall(rf'ALARM\("transaction-monitoring-{env}/([^"]+)"\)', rule))
        for env, run in runs.items()
        for rule in [run.one("aws:cloudwatch/compositeAlarm:CompositeAlarm")["alarmRule"]]
    }

    def cells(name: str) -> Iterable[str]:
        found = {env: alarms.get(name) for env, alarms in by_env.items()}
        [(facts, pages)] = {
            ((*metric_and_statistic(alarm), datapoints(alarm), alarm["treatMissingData"]), name in paging[env])
            for env, alarm in found.items()
            if alarm
        }
        metric, statistic, after, missing = facts
        yield from (re.sub(r"^cache-\d", "cache-*", name), metric, statistic)
        yield from (threshold(alarm) for alarm in found.values())
        yield from (after, missing, "pages" if pages else "")

    names = dict.fromkeys(name for alarms in by_env.values() for name in alarms)
    assert rows(cells(name) for name in sorted(names)) == section("Alarms")


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_graphs_match_the_page(runs: dict[str, Any], env: str) -> None:
    body = json.loads(runs[env].one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"])

    def metrics(properties: dict[str, Any]) -> str:
        names = (each[0]["expression"] if len(each) == 1 else each[1] for each in properties["metrics"])
        return ", ".join(dict.fromkeys(f"`{without_id(name)}`" for name in names))

    graphs = [
        (properties["title"], metrics(properties), properties["stat"], f"{properties['period']} s")
        for properties in (widget["properties"] for widget in body["widgets"] if widget["type"] == "metric")
    ]
    assert rows(graphs) == section("Graphs")


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_event_rules_match_the_page(runs: dict[str, Any], env: str) -> None:
    run = runs[env]
    patterns = {name: json.loads(rule["eventPattern"]) for name, rule in inputs(run, "eventRule").items()}
    rules = [
        (name, pattern["source"][0], ", ".join(f"`{call}`" for call in pattern["detail"]["eventName"]))
        for name, pattern in sorted(patterns.items())
    ]
    subscription = run.one("aws:rds/eventSubscription:EventSubscription")
    events = ("rds-events", "aws.rds", ", ".join(subscription["eventCategories"]))
    assert rows([*rules, events]) == section("Events")
