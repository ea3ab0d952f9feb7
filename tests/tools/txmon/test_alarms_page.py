"""Tests the page of alarms, graphs and event rules against the programs of all layers."""

import re
from typing import Any

from invoke.tasks import Task

import tasks
from tools.txmon import alarms_page, docs, rotations

TARGET = "aws:cloudwatch/eventTarget:EventTarget"
UPSTREAM = ("network", "security", "streaming", "data", "processing")


def deployed(run_layer, env: str) -> dict[str, dict[str, Any]]:
    """Return the outputs of an environment's layers, each made from those before it."""
    outputs: dict[str, dict[str, Any]] = {}
    for name in UPSTREAM:
        outputs[name] = run_layer(name, env, upstream=dict(outputs)).exports
    return outputs


def test_the_page_is_what_the_programs_create_from_one_another(run_layer) -> None:
    programs = [run_layer("monitoring", e, upstream=deployed(run_layer, e)) for e in alarms_page.ENVIRONMENTS]
    assert docs.alarms(programs) == alarms_page.PAGE.read_text("utf-8")


def test_the_page_is_what_docs_generates() -> None:
    assert docs.alarms(alarms_page.programs()) == alarms_page.PAGE.read_text("utf-8")


def test_runbooks_name_verbs_that_exist_and_how_each_secret_is_rotated(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    alarms = [each.inputs.get("alarmDescription", "") for each in run.resources]
    events = [each.inputs["inputTransformer"]["inputTemplate"] for each in run.all(TARGET)]
    runbooks = " ".join([*alarms, *events])

    verbs = {name.replace("_", "-") for name, value in vars(tasks).items() if isinstance(value, Task)}
    assert set(re.findall(r"\./inv ([a-z-]+)", runbooks)) <= verbs
    assert set(re.findall(r"\./inv rotate (\w+)", runbooks)) == rotations.ROTATIONS.keys()
