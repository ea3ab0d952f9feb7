"""An environment's status and outputs, as tables and as text."""

import json
import shlex

from rich.table import Table

from tools.orchestrator.model.stack import StackHealth, StackSnapshot, UpdateRecord
from tools.orchestrator.render.status import outputs_as_env, outputs_as_table, status_table
from tools.orchestrator.run.status import EnvironmentStatus, LayerStatus

OUTPUTS = {"data": {"redis_port": 6379, "name": "it's", "ids": ["a", "b"], "contract_version": 1}}


def rows(table: Table) -> list[tuple[str, ...]]:
    return list(zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True))


def test_env_lines_are_upper_case_and_quoted_with_lists_as_json() -> None:
    lines = dict(line.split("=", 1) for line in outputs_as_env(OUTPUTS, {"AWS_REGION": "here"}).splitlines())
    assert lines == {
        "REDIS_PORT": "6379",
        "NAME": shlex.quote("it's"),
        "IDS": shlex.quote(json.dumps(["a", "b"])),
        "AWS_REGION": "here",
    }


def test_the_table_of_outputs_has_a_row_for_each_output() -> None:
    assert rows(outputs_as_table(OUTPUTS)) == [
        ("data", "redis_port", "6379"),
        ("data", "name", "it's"),
        ("data", "ids", '["a", "b"]'),
        ("data", "contract_version", "1"),
    ]


def test_the_table_of_layers_shows_health_last_update_size_and_lock() -> None:
    update = UpdateRecord("update", "succeeded", "2026-11-28T03:00:00Z", "")
    stack = StackSnapshot("network", {"resources": [{"type": "t", "urn": "a::b"}] * 3}, update)
    layers = [
        LayerStatus("network", stack, StackHealth.CHANGED_SINCE, None, None),
        LayerStatus("data", StackSnapshot("data"), StackHealth.NEVER_DEPLOYED, None, None),
    ]
    assert rows(status_table(EnvironmentStatus("dev", layers, None, None, {}))) == [
        ("network", "changed since", "update 2026-11-28T03:00:00Z", "3", ""),
        ("data", "never", "", "0", ""),
    ]
