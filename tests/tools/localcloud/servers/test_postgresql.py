from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pg8000 import DatabaseError, native

from tests.support.servers import DATABASE, IAM_TOKEN, MASTER, servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.servers import Stores

pytestmark = pytest.mark.local


@contextmanager
def _session(stores: Stores, user: str = MASTER.user, password: str = MASTER.password) -> Iterator[Any]:
    at, context = stores.postgresql.endpoint, ssl.create_default_context(cafile=stores.ca)
    session = native.Connection(
        user, host=at.address, port=at.port, database=DATABASE, password=password, ssl_context=context, timeout=20
    )
    try:
        yield session
    finally:
        session.close()


def _refusal(stores: Stores, user: str, password: str) -> str:
    with pytest.raises(DatabaseError) as refused, _session(stores, user, password):
        pass
    return str(refused.value.args[0]["C"])


@pytest.fixture(scope="module")
def consumer(stores: Stores) -> str:
    """A role that logs in with a token, made without the master user becoming its member."""
    with _session(stores) as master:
        master.run("CREATE ROLE maker CREATEROLE")
        master.run("GRANT maker TO CURRENT_USER WITH SET TRUE")
        master.run("SET ROLE maker")
        master.run("CREATE ROLE consumer LOGIN")
        master.run("RESET ROLE")
        master.run("GRANT rds_iam TO consumer")
        master.run("DROP ROLE maker")
    return "consumer"


def test_the_master_user_logs_in_with_its_password(stores: Stores) -> None:
    with _session(stores) as master:
        assert master.run("SELECT current_user, current_database()") == [[MASTER.user, DATABASE]]

    assert _refusal(stores, MASTER.user, "wrong") == "28P01"


@pytest.mark.parametrize("user", ["rdsadmin", "unknown", "rds_iam", "pg_monitor"])
def test_other_roles_are_not_let_in(user: str, stores: Stores) -> None:
    assert _refusal(stores, user, MASTER.password) in {"28P01", "28000"}


def test_a_member_of_rds_iam_logs_in_with_a_token_only(stores: Stores, consumer: str) -> None:
    with _session(stores, consumer, IAM_TOKEN) as session:
        assert session.run("SELECT current_user") == [[consumer]]
    with _session(stores) as master:
        master.run("CREATE TABLE IF NOT EXISTS kept (x int)")

    assert _refusal(stores, consumer, "wrong") == "28000"


def test_a_master_user_that_becomes_a_member_of_rds_iam_is_locked_out(tmp_path: Path) -> None:
    with servers(tmp_path) as stores:
        with _session(stores) as master:
            master.run("CREATE ROLE consumer LOGIN")
            master.run("GRANT rds_iam TO consumer")

        assert _refusal(stores, MASTER.user, MASTER.password) == "28000"
        with _session(stores, MASTER.user, IAM_TOKEN) as master:
            assert master.run("SELECT current_user") == [[MASTER.user]]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE root SUPERUSER",
        "SET SESSION AUTHORIZATION rdsadmin",
        "SET ROLE rdsadmin",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "ALTER SYSTEM SET log_statement = 'all'",
    ],
)
def test_the_master_user_is_no_superuser(statement: str, stores: Stores) -> None:
    with _session(stores) as master, pytest.raises(DatabaseError) as refused:
        master.run(statement)

    assert refused.value.args[0]["C"] == "42501"


def test_a_connection_without_tls_is_refused(stores: Stores) -> None:
    at = stores.postgresql.endpoint
    with socket.create_connection((at.address, at.port), timeout=10) as plain:
        body = struct.pack("!I", 196608) + f"user\0{MASTER.user}\0\0".encode()
        plain.sendall(struct.pack("!I", len(body) + 4) + body)
        said = plain.makefile("rb").read()

    assert said.startswith(b"E")
    assert b"C28000\0" in said
    assert b"no encryption" in said


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x08\x04\xd2\x16\x2f" + b"\0" * 40, b""])
def test_a_client_that_speaks_something_else_is_sent_away(sent: bytes, stores: Stores) -> None:
    at = stores.postgresql.endpoint
    with socket.create_connection((at.address, at.port), timeout=10) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        client.makefile("rb").read()

    with _session(stores) as master:
        assert master.run("SELECT 1") == [[1]]


def test_psql_verifies_the_server_and_logs_in(stores: Stores) -> None:
    at = stores.postgresql.endpoint
    programs = stores.postgresql.fleet.prepare().postgresql
    assert programs is not None
    variables = {
        "PGHOST": at.address, "PGPORT": str(at.port), "PGUSER": MASTER.user, "PGPASSWORD": MASTER.password,
        "PGDATABASE": DATABASE, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(stores.ca),
    }  # fmt: skip
    done = subprocess.run(
        [programs.folder / "psql", "-Atc", "SELECT ssl FROM (VALUES (current_user)) AS v(ssl)"],
        env=os.environ | variables, capture_output=True, encoding="utf-8", check=False, timeout=30,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == (f"{MASTER.user}\n", "")


def test_a_query_can_be_cancelled(stores: Stores) -> None:
    programs = stores.postgresql.fleet.prepare().postgresql
    assert programs is not None
    at = stores.postgresql.endpoint
    where = f"host={at.address} port={at.port} user={MASTER.user} dbname={DATABASE} sslmode=verify-full"
    with subprocess.Popen(
        [programs.folder / "psql", f"{where} sslrootcert={stores.ca}", "-c", "SELECT pg_sleep(60)"],
        env=os.environ | {"PGPASSWORD": MASTER.password}, stderr=subprocess.PIPE, encoding="utf-8",
    ) as client:  # fmt: skip
        with _session(stores) as master:
            while not master.run("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
                pass
        client.send_signal(2)
        _out, said = client.communicate(timeout=20)

    assert "canceling statement due to user request" in said


def test_an_expired_password_is_refused(stores: Stores) -> None:
    with _session(stores) as master:
        master.run("CREATE ROLE temporary LOGIN PASSWORD 'secret' VALID UNTIL '2020-01-01'")

    assert _refusal(stores, "temporary", "secret") == "28P01"


def test_the_masters_password_changes_and_is_in_no_log(tmp_path: Path) -> None:
    with servers(tmp_path, parameters={"log_statement": "all", "rds.force_ssl": "1"}) as stores:
        stores.postgresql.fleet.call("db", MASTER.user, "another'password")

        assert _refusal(stores, MASTER.user, MASTER.password) == "28P01"
        with _session(stores, MASTER.user, "another'password") as master:
            assert master.run("SHOW log_statement") == [["all"]]
        log = (stores.postgresql.folder / "db" / "server.log").read_text(encoding="utf-8")
        assert "SHOW log_statement" in log
        assert "another" not in log


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_data_survives_a_stop_and_a_kill(how: str, stores: Stores) -> None:
    with _session(stores) as master:
        master.run("CREATE TABLE IF NOT EXISTS survives (how text)")
        master.run("INSERT INTO survives VALUES (:how)", how=how)

    getattr(stores.postgresql, how)()
    with pytest.raises(native.InterfaceError), _session(stores):
        pass
    assert stores.postgresql.restart() == stores.postgresql.endpoint

    with _session(stores) as master:
        assert [how] in master.run("SELECT how FROM survives")


def test_programs_and_data_belong_to_the_servers_user(stores: Stores) -> None:
    data = stores.postgresql.folder / "db" / "data"

    assert data.stat().st_mode & 0o077 == 0
    assert data.parent.stat().st_mode & 0o077 == 0
    for process in stores.postgresql.processes():
        assert process.uids().effective != 0
