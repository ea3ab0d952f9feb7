"""Queries of operators, as the verb asks and shows them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow.console import Answer, ask
from tools.txmon.flow.render import answer


def test_the_query_is_sent_with_who_asks(function) -> None:
    console = function(lambda _: {"columns": ["n"], "rows": [[1]], "more": False})
    assert ask(console, "SELECT 1 AS n", "arn:me") == Answer(columns=["n"], rows=[[1]])
    assert console.events == [{"sql": "SELECT 1 AS n", "by": "arn:me"}]


def test_a_refusal_of_postgresql_is_the_verbs_error(function) -> None:
    console = function(lambda _: {"error": "PostgreSQL says: syntax error (42601)"})
    with pytest.raises(OrchestratorError, match=r"^PostgreSQL says: syntax error \(42601\)$"):
        ask(console, "SELEC", "arn:me")


def test_an_environment_without_console_says_how_to_let_operators_in(function) -> None:
    def missing(_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "Invoke")

    with pytest.raises(OrchestratorError, match=r"operatorAccess to true in projects/processing/Pulumi\.dev\.yaml"):
        ask(function(missing), "SELECT 1", "arn:me")


def test_rows_are_a_table() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(answer(Answer(columns=["id", "body"], rows=[["t-1", {"a": "円"}], [None, 2]])))
    lines = [line.split() for line in capture.get().splitlines()]
    assert lines == [["id", "body"], ["t-1", '{"a":', '"円"}'], ["null", "2"]]
