"""Tests the page of alarms, graphs and event rules against the programs of all layers."""

from typing import Any

from tools.txmon import alarms_page, docs

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
