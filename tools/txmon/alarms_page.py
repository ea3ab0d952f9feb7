"""Lists the alarms, graphs and event rules of `dev` and `prod`, as monitoring's program creates them."""

import json
import logging
import re
import runpy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pulumi
import yaml
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_all_config, set_mocks

from projects.data import sizes
from projects.data.config import DataConfig
from projects.processing.retries import record_age_seconds
from projects.streaming.config import StreamingConfig
from shared.contracts import CONTRACTS
from shared.environments import PROJECTS, stack_file
from shared.graph import project

PAGE = PROJECTS / "monitoring/alarms.md"
ENVIRONMENTS = ("dev", "prod")
SIGNS = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}
NODE = re.compile(r"cache-\d")
"""Beginning of the name of an alarm that each Redis node has."""

Inputs = Mapping[str, Any]
Table = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]
"""A header and rows."""


class Program(Protocol):
    """What a run of monitoring's program registered in an environment."""

    env: str
    resources: list[MockResourceArgs]


@dataclass
class DryRun(Mocks):
    """Takes what a program registers; nothing is created."""

    env: str
    outputs: Mapping[str, Inputs]
    """Layer -> its outputs."""
    resources: list[MockResourceArgs] = field(default_factory=list)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            layer = args.inputs["name"].split("/")[1].rpartition("-")[2]
            return args.name, {"outputs": self.outputs[layer], "secretOutputNames": []}
        self.resources.append(args)
        return args.name, {"arn": f"arn:aws:test:ap-northeast-1:123456789012:{args.name}", **args.inputs}

    def call(self, _: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        return {"accountId": "123456789012"}, []  # the only function is getCallerIdentity


def programs() -> list[DryRun]:
    """Run monitoring's program in each environment, without engine and cloud."""
    logging.disable(logging.WARNING)  # the program warns that nobody has subscribed
    try:
        return [_run(env) for env in ENVIRONMENTS]
    finally:
        logging.disable(logging.NOTSET)


def _run(env: str) -> DryRun:
    deployed = {layer: {**contract.example(), "environment_suffix": env} for layer, contract in CONTRACTS.items()}
    for layer, outputs in _sizes(env).items():
        deployed[layer].update(outputs)
    run = DryRun(env, deployed)
    set_mocks(run, project=project("monitoring"), stack=env, preview=False)
    settings = _settings("monitoring", env).items()
    set_all_config({key: value if isinstance(value, str) else json.dumps(value) for key, value in settings})

    def program() -> None:
        runpy.run_path(str(PROJECTS / "monitoring/__main__.py"))

    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    return run


def _sizes(env: str) -> dict[str, Inputs]:
    """Return the outputs that thresholds follow, from the settings of the layers that export them."""
    streaming = StreamingConfig.parse({"environmentSuffix": env, **_own("streaming", env)}, f"Pulumi.{env}.yaml")
    data = DataConfig.parse({"environmentSuffix": env, **_own("data", env)}, f"Pulumi.{env}.yaml")
    return {
        "streaming": {"kinesis_shard_count": streaming.shard_count},
        "processing": {"record_age_seconds": record_age_seconds(streaming.retention_hours)},
        "data": {
            "redis_vcpus": sizes.NODE_TYPES[data.redis_node_type].vcpus,
            "rds_vcpus": sizes.DATABASE_CLASSES[data.postgres_instance_class].vcpus,
            "rds_memory_mib": sizes.memory_mib(data.postgres_instance_class),
            "rds_max_connections": sizes.max_connections(data.postgres_instance_class),
            "rds_storage_gib": data.postgres_storage_gib,
        },
    }


def _own(layer: str, env: str) -> dict[str, Any]:
    """Return the settings of a layer without its namespace."""
    own = f"{project(layer)}:"
    return {key.removeprefix(own): value for key, value in _settings(layer, env).items() if key.startswith(own)}


def _settings(layer: str, env: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(stack_file(layer, env).read_text("utf-8"))["config"]
    return found


def tables(found: Sequence[Program]) -> dict[str, Table]:
    """Return the tables of the page by name. Graphs and rules are the same in every environment."""
    return {"alarms": _alarms(found), "graphs": _graphs(found[0]), "events": _events(found[0])}


def _alarms(found: Sequence[Program]) -> Table:
    header = ("Alarm", "Metric", "Statistic", *ENVIRONMENTS, "Rings after", "Without data", "Pages by")
    by_env = [_inputs(program, "metricAlarm", "alarm-") for program in found]
    pages = dict(page for program in found for page in _pages(program))
    names = sorted({name for alarms in by_env for name in alarms})

    def row(name: str) -> tuple[str, ...]:
        each = [alarms.get(name) for alarms in by_env]
        alarm = next(filter(None, each))
        thresholds = (f"{SIGNS[a['comparisonOperator']]} {a['threshold']:,.12g}" if a else "none" for a in each)
        rings = f"{alarm['datapointsToAlarm']:g} of {alarm['evaluationPeriods']:g} x {_seconds(alarm):g} s"
        shown = (NODE.sub("cache-*", name), *_metric_and_statistic(alarm), *thresholds)
        return (*shown, rings, alarm["treatMissingData"], pages.get(name, ""))

    return header, list(dict.fromkeys(map(row, names)))


def _pages(program: Program) -> Iterator[tuple[str, str]]:
    """Yield each alarm that pages, and the alarm that the pager hears of: its domain's, or the alarm itself."""
    for name, alarm in _inputs(program, "metricAlarm", "alarm-").items():
        if alarm.get("okActions"):
            yield name, "itself"
    for composite, alarm in _inputs(program, "compositeAlarm", "alarm-").items():
        for name in re.findall(r'ALARM\("[^"]+/([^"/]+)"\)', alarm["alarmRule"]):
            yield name, composite


def _graphs(program: Program) -> Table:
    [dashboard] = _inputs(program, "dashboard", "").values()
    widgets = [each["properties"] for each in json.loads(dashboard["dashboardBody"])["widgets"]]
    rows = [
        (graph["title"], _names(graph["metrics"]), graph["stat"], f"{graph['period']} s")
        for graph in widgets
        if "metrics" in graph
    ]
    return ("Graph", "Metrics", "Statistic", "Period"), rows


def _names(metrics: Iterable[Sequence[Any]]) -> str:
    names = (each[0]["expression"] if len(each) == 1 else each[1] for each in metrics)
    return ", ".join(dict.fromkeys(f"`{_without_id(name)}`" for name in names))


def _events(program: Program) -> Table:
    rows = []
    for name, rule in sorted(_inputs(program, "eventRule", "rule-").items()):
        pattern = json.loads(rule["eventPattern"])
        what = pattern["detail"].get("eventName") or pattern["detail-type"]
        rows.append((name, pattern["source"][0], ", ".join(f"`{each}`" for each in what)))
    [subscription] = _inputs(program, "eventSubscription", "").values()
    rows.append(("rds-events", "aws.rds", ", ".join(subscription["eventCategories"])))
    return ("Rule", "Source", "Calls, events or categories"), rows


def _inputs(program: Program, kind: str, prefix: str) -> dict[str, Inputs]:
    """Return the inputs of a type's resources, by logical name without prefix and environment."""
    return {
        each.name.removeprefix(prefix).removesuffix(f"-{program.env}"): each.inputs
        for each in program.resources
        if each.typ.startswith("aws:") and f"/{kind}:" in each.typ
    }


def _metric_and_statistic(alarm: Inputs) -> tuple[str, str]:
    """Return an alarm's metric and statistic. Of metric math, return the expression with its operands."""
    if "metricQueries" not in alarm:
        return _metric(alarm), alarm["statistic"]
    result, *operands = alarm["metricQueries"]
    formula = f"`{_without_id(result['expression'])}`"
    where = ", ".join(f"{each['id']} = {_metric(each['metric'])}" for each in operands)
    return (f"{formula}; {where}", operands[0]["metric"]["stat"]) if operands else (formula, "")


def _metric(metric: Inputs) -> str:
    namespace = re.sub(r"^(TransactionMonitoring)/.*", r"\1/…", metric["namespace"])
    return f"{namespace} `{metric['metricName']}`"


def _seconds(alarm: Inputs) -> float:
    queries = (each.get("metric", each).get("period") for each in alarm.get("metricQueries", ()))
    [seconds] = {alarm.get("period"), *queries} - {None}
    return float(seconds)


def _without_id(expression: str) -> str:
    return re.sub(r"vpc-[\w-]+", "vpc-…", expression).strip()
