"""Queries of operators, on a real PostgreSQL."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from projects.processing.app.console import ROWS, Console
from projects.processing.app.migrate import OPERATOR
from projects.processing.functions import OPERATOR as LOGS_IN_AS
from tests.support.processing import Flow, settings, transaction

pytestmark = pytest.mark.local

BY = "arn:aws:sts::000000000000:assumed-role/oncall/hanako"
Ask = Callable[[str], dict[str, Any]]


@pytest.fixture
def ask(system: Flow) -> Ask:
    asked = Console(settings(system.stores, db_user=OPERATOR), system.credentials)
    return lambda query: asked.handle({"sql": query, "by": BY})


def test_the_functions_user_is_the_one_of_the_migrations() -> None:
    assert LOGS_IN_AS == OPERATOR


def test_a_query_is_answered_with_columns_and_rows(system: Flow, ask: Ask) -> None:
    system.put(*(transaction(number, amount="12.50") for number in range(3)))

    answer = ask("SELECT transaction_id AS id, amount, body -> 'currency' AS c FROM transactions ORDER BY 1 LIMIT 2;")

    rows = [["t-0", "12.50", "JPY"], ["t-1", "12.50", "JPY"]]
    assert answer == {"columns": ["id", "amount", "c"], "rows": rows, "more": False}
    json.dumps(answer)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM transactions",
        "WITH gone AS (DELETE FROM transactions RETURNING 1) SELECT * FROM gone",
        "SELECT 1; DELETE FROM transactions",
        "SELECT 1) TO STDOUT; COMMIT; DELETE FROM transactions; --",
        "SELECT lo_create(0)",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT set_config('role', 'tx_consumer', true)",
        "SELECT rolpassword FROM pg_authid",
        "COPY transactions TO STDOUT",
        "SELECT nothing FROM nowhere",
        "SELECT $1::text",
        "",
    ],
)
def test_a_query_that_does_more_than_read_is_refused(system: Flow, ask: Ask, query: str) -> None:
    system.put(transaction(1))

    assert ask(query)["error"].startswith("PostgreSQL says: ")
    assert system.counts() == (1, 0, 0)


def test_a_role_that_reads_only_answers_in_a_transaction_that_reads_only(ask: Ask) -> None:
    assert ask("SELECT current_user, current_setting('transaction_read_only')")["rows"] == [[OPERATOR, "on"]]
    assert ask("SELECT table_name FROM information_schema.role_table_grants"
               " WHERE grantee = 'tx_operator' AND privilege_type <> 'SELECT'")["rows"] == []  # fmt: skip


def test_the_console_reads_only_whoever_it_logs_in_as(system: Flow) -> None:
    console = Console(settings(system.stores), system.credentials)
    assert console.handle({"sql": "SELECT current_setting('transaction_read_only')", "by": BY})["rows"] == [["on"]]


def test_no_query_changes_the_session_of_the_next(ask: Ask) -> None:
    ask("SELECT set_config('work_mem', '8GB', false), set_config('search_path', 'pg_catalog', false)")
    assert ask("SELECT current_setting('work_mem') = '8GB', count(*) FROM transactions")["rows"] == [[False, 0]]


@pytest.mark.parametrize(("query", "value"), [("SELECT (ARRAY[1, 2, 3])[1:2]", [1, 2]), ("SELECT 1 AS a$", 1)])
def test_a_query_arrives_as_it_is_written(ask: Ask, query: str, value: Any) -> None:
    assert ask(query)["rows"] == [[value]]


def test_an_operator_sees_what_the_others_run(system: Flow, ask: Ask) -> None:
    system.put(transaction(1))
    seen = ask("SELECT DISTINCT usename, query <> '<insufficient privilege>' FROM pg_stat_activity")["rows"]
    assert ["tx_consumer", True] in seen


def test_an_answer_is_bounded_in_rows_and_in_bytes(ask: Ask) -> None:
    many = ask(f"SELECT generate_series(1, {ROWS + 1})")
    assert (len(many["rows"]), many["more"]) == (ROWS, True)
    all_of_them = ask(f"SELECT generate_series(1, {ROWS})")
    assert (len(all_of_them["rows"]), all_of_them["more"]) == (ROWS, False)

    large = ask("SELECT repeat('x', 1000000) FROM generate_series(1, 9)")
    assert (len(large["rows"]), large["more"]) == (4, True)
    assert len(json.dumps(large)) < 6 * 1024**2
    assert "larger than 5 MB" in ask("SELECT repeat('x', 5000000)")["error"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT pg_sleep(5)",
        "SELECT pg_sleep(0.01) FROM generate_series(1, 900)",
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(i / 51 * 5) FROM generate_series(1, 51) i",
    ],
    ids=["in one row", "in many rows", "without a limit of its own"],
)
def test_a_query_ends_when_its_time_is_over(system: Flow, query: str) -> None:
    hasty = Console(settings(system.stores, db_user=OPERATOR), system.credentials, seconds=0.8)
    assert "statement timeout" in hasty.handle({"sql": query, "by": BY}).get("error", "it went on")


def test_every_query_is_in_the_log_and_nothing_that_it_finds(
    system: Flow, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    system.put(transaction(1, customer_id="c-secret"))
    capsys.readouterr()

    query = "SELECT customer_id::int FROM transactions"
    assert "c-secret" in ask(query)["error"]

    asked, answered = map(json.loads, capsys.readouterr().out.splitlines())
    assert (asked["sql"], asked["by"]) == (query, BY)
    assert (answered["failed"], answered["by"]) == (True, BY)
    assert "c-secret" not in json.dumps(answered)


def test_nobody_can_log_in_as_an_operator_with_a_password(system: Flow) -> None:
    wrong = replace(system.credentials, token="a-password")
    answer = Console(settings(system.stores, db_user=OPERATOR), wrong).handle({"sql": "SELECT 1", "by": BY})
    assert "28" in answer["error"]


# Object auditing. PostgreSQL here has no pgaudit; what it would log is what the role rds_pgaudit may read.


def audited(system: Flow) -> set[tuple[str, str]]:
    return {
        (table, column)
        for table, column in system.sql("""
            SELECT table_name, column_name FROM information_schema.column_privileges
            WHERE grantee = 'rds_pgaudit' AND privilege_type = 'SELECT'""")
    }


def test_the_contents_of_transactions_and_rejected_records_are_audited(system: Flow) -> None:
    assert audited(system) == {("transactions", "body"), ("rejected", "data")}


def test_no_statistics_show_what_is_audited(system: Flow, ask: Ask) -> None:
    system.put(*map(transaction, range(9)), *(b"no transaction %d" % number for number in range(9)))
    system.sql("ANALYZE transactions, rejected")
    shown = ask("SELECT tablename, attname FROM pg_stats WHERE schemaname = 'public'")["rows"]
    assert ["transactions", "digest"] in shown
    assert ["rejected", "reason"] in shown
    assert not {(table, column) for table, column in shown} & audited(system)


WITHOUT_BODY = """
REVOKE SELECT ON transactions FROM tx_consumer;
GRANT SELECT (transaction_id, occurred_at, customer_id, amount, currency, digest, arrived_at, stored_at)
ON transactions TO tx_consumer"""
RULES = {"amount": {"JPY": 1}, "velocity": {"transactions": 1, "seconds": 60}}
REPEAT = {"repeat": {"seconds": 60}}


@pytest.mark.parametrize(("rules", "is_audited"), [({}, False), (RULES, False), (REPEAT, True)])
def test_the_consumer_reads_what_is_audited_for_one_rule_only(
    system: Flow, rules: dict, is_audited: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    system.sql(WITHOUT_BODY)
    try:
        system.consumer = system.new_consumer(rules=json.dumps(rules))
        system.put(*map(transaction, range(3)))
        system.put(transaction(0), transaction(1, amount=1))  # an id again, in conflict
    finally:
        system.sql("GRANT SELECT ON transactions TO tx_consumer")
    assert system.counts()[0] == 3
    assert ("permission denied" in capfd.readouterr().out) is is_audited
