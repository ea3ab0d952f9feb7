"""Environments and their differences, as tables, as JSON, and in sentences."""

import json
import re
from datetime import date

import pytest
from rich.console import Console
from rich.table import Table

from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.render import environments, settings
from tools.orchestrator.repository.new_environment import Lifetime, NewEnvironment
from tools.orchestrator.repository.settings import SECRET, Difference

FOUND = [
    Lifetime("pr-11", "AWS", date(2026, 11, 24), expired=True, without_stack_file=[]),
    Lifetime("prod", "AWS account 123456789012", None, expired=False, without_stack_file=["vault", "store"]),
]


def printed(table: Table | str) -> str:
    console = Console(width=200, markup=False)  # as the verbs print
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_the_table_of_environments_marks_expired_and_incomplete_ones() -> None:
    lines = printed(environments.as_table(FOUND)).splitlines()
    assert re.search(r"pr-11 +AWS +2026-11-24 \(expired\)", lines[1])
    assert re.search(r"prod +AWS account 123456789012 +never +vault, store", lines[2])


def test_environments_as_json_have_the_fields_of_the_table() -> None:
    assert json.loads(environments.as_json(FOUND)) == [
        {
            "environment": "pr-11",
            "lives_in": "AWS",
            "expires": "2026-11-24",
            "expired": True,
            "no_stack_file_in": [],
        },
        {
            "environment": "prod",
            "lives_in": "AWS account 123456789012",
            "expires": None,
            "expired": False,
            "no_stack_file_in": ["vault", "store"],
        },
    ]


def test_a_new_environment_names_its_files_and_the_secrets_to_set(monorepo: Monorepo) -> None:
    new = NewEnvironment([monorepo.stack_file("base", "pr-12")], ["shop-watch:receivers"])
    first, second, third = environments.creation(new, monorepo, "pr-12").splitlines()
    assert first == "made projects/base/Pulumi.pr-12.yaml"
    assert second.startswith("left out shop-watch:receivers, which is secret")
    assert third == "next: ./inv deploy-all --env pr-12"


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ({"dev": SECRET, "local": []}, r"\[secret\] +\[\]"),
        ({"dev": 2, "local": None}, r"2 +none"),
        ({"dev": "a", "local": True}, r"a +true"),
    ],
)
def test_a_difference_shows_both_values(values: dict[str, object], cells: str) -> None:
    found = [Difference("watch", "shop-watch:receivers", values)]
    assert re.search(rf"watch +receivers +{cells}", printed(settings.as_table(found, "dev", "local")))
    assert json.loads(settings.as_json(found)) == [
        {"layer": "watch", "setting": "shop-watch:receivers", **values},
    ]


def test_no_difference_is_one_sentence() -> None:
    assert settings.as_table([], "dev", "local") == "dev and local have the same settings"
