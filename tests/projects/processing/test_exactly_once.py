"""What happens to transactions when something fails, on a real PostgreSQL and a real Valkey."""

import base64
import json
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.processing.app import schema
from projects.processing.app.database import Database
from projects.processing.app.errors import DeadlineError, UnavailableError
from projects.processing.app.history import History
from projects.processing.app.rules import Rules
from projects.processing.app.tables import store
from projects.processing.app.transaction import Record, Transaction, parse
from tests.support.processing import Flow, event, meanwhile, metrics, record, transaction
from tests.support.servers import AUTH_TOKEN, IAM_TOKEN, MASTER
from tools.localcloud.servers import owner
from tools.localcloud.servers.valkey import hashed

pytestmark = pytest.mark.local

TAKEN: dict[str, Any] = {"batchItemFailures": []}


def batches(count: int, size: int) -> list[list[dict[str, Any]]]:
    return [[transaction(batch * size + each) for each in range(size)] for batch in range(count)]


def parsed(numbers: Iterable[int], moment: str = "2026-11-28T00:00:00Z") -> list[Transaction]:
    """Return transactions as the consumer reads them, the same for the same number."""
    records = [record(transaction(number, occurred_at=moment)) for number in numbers]
    return [parse(Record.from_event(each), base64.b64decode(each["kinesis"]["data"])) for each in records]


@contextmanager
def limited_files(system: Flow, size: int) -> Iterator[None]:
    """Let no file of PostgreSQL grow beyond a size, which is what a full disk does to it."""
    # Each session has the limits that the first process had when it began.
    first = min(system.stores.postgresql.processes(), key=lambda each: each.create_time())

    def limit(size: int | str) -> None:  # as the servers' user, who may change the limits of its own processes
        subprocess.run(["prlimit", f"--pid={first.pid}", f"--fsize={size}:"], check=True, **owner.process_user())

    limit(size)
    try:
        yield
    finally:
        limit("unlimited")


def ids(count: int) -> set[str]:
    return {f"tx:t-{number}" for number in range(count)}


def test_a_transaction_is_in_both_stores(system: Flow) -> None:
    sent = transaction(1, note={"kept": ["é", 1.5]})

    assert system.put(sent) == TAKEN

    found = system.migrator.handle({"transactions": {"id": "t-1"}})
    [row], [remembered] = found["postgresql"], found["redis"]
    assert row["body"] == remembered["body"] == sent
    assert (row["customer_id"], row["amount"], row["currency"]) == ("c-1", "1981.00", "JPY")
    occurred_at = datetime.fromisoformat(sent["occurred_at"])
    assert remembered["expires_at"] == int((occurred_at + timedelta(hours=24)).timestamp())
    assert system.redis().zrange("customer:c-1", 0, -1, withscores=True) == [("t-1", occurred_at.timestamp())]


def test_a_repetition_of_the_whole_stream_changes_and_prolongs_nothing(system: Flow) -> None:
    sent = batches(4, 100)
    stream = [event([*batch, b"bad"]) for batch in sent]
    for delivery in stream:
        system.consumer.handle(delivery)
    before = system.history()

    for batch in sent:  # the producer sends again
        system.put(*batch, *batch)
    for consumer in (system.consumer, system.new_consumer()):  # Lambda reads the stream again
        for delivery in stream:
            assert consumer.handle(delivery) == TAKEN

    assert system.counts() == (400, 4, 0)
    assert system.history() == before
    assert len(before) == 400


@pytest.mark.parametrize("together", [True, False])
def test_of_two_contents_the_first_stays_and_the_other_is_kept_aside(system: Flow, together: bool) -> None:
    first, other = transaction(1), transaction(1, amount=5)

    if together:
        system.put(first, other, first)
    else:
        system.put(first)
        system.put(other)

    found = system.migrator.handle({"transactions": {"id": "t-1"}})
    assert found["postgresql"][0]["body"] == found["redis"][0]["body"] == first
    assert system.counts() == (1, 0, 1)
    [aside] = system.migrator.handle({"rejected": {"limit": 9}})
    assert aside["conflicting"]
    assert "same transaction_id and other content" in aside["reason"]


def test_records_that_are_refused_are_kept_with_payload_and_reason(system: Flow) -> None:
    bad = [b"", b"\xff", b"[" * 200_000, b'{"a": NaN}', json.dumps(transaction(1, amount=0.001)).encode()]

    assert system.put(*bad, *(transaction(number) for number in range(100))) == TAKEN

    assert system.counts() == (100, len(bad), 0)
    kept = {bytes(data): reason for data, reason in system.sql("SELECT data, reason FROM rejected")}
    assert kept.keys() == set(bad)
    assert all(kept.values())


@pytest.mark.parametrize(
    ("refused", "reason"), [({"amount": "1e30"}, "overflow"), ({"body": "[" * 50_000 + "]" * 50_000}, "stack depth")]
)
def test_what_postgresql_alone_refuses_is_found_by_halving(system: Flow, refused: Any, reason: str) -> None:
    transactions = parsed(range(50))
    transactions[7] = replace(transactions[7], **refused)

    outcome = store(system.consumer_database(), transactions, [], Rules())

    assert len(outcome.stored) == 49
    [rejection] = outcome.rejected
    assert reason in rejection.reason
    assert system.counts() == (49, 1, 0)


def test_writers_of_the_same_transactions_do_not_deadlock(system: Flow) -> None:
    with ThreadPoolExecutor(2) as threads:
        for start in range(0, 2000, 100):
            ways = (range(start, start + 100), range(start + 99, start - 1, -1))
            writers = [threads.submit(store, system.consumer_database(), parsed(way), [], Rules()) for way in ways]
            outcomes = [writer.result() for writer in writers]
            assert sum(len(outcome.stored) for outcome in outcomes) == 100

    assert system.counts() == (2000, 0, 0)


def test_a_postgresql_that_never_answers_is_an_outage(system: Flow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dark = replace(system.settings, db_host="127.0.0.1", db_port=silent.getsockname()[1])
        database = Database(dark, lambda: ("tx_consumer", "token"), statement_seconds=0.1)
        with pytest.raises(UnavailableError, match=r"does not answer: .*timed out"):
            database.run("SELECT 1")


def test_a_redis_that_is_silent_is_an_outage_until_it_answers(system: Flow) -> None:
    history = History(system.settings, system.credentials, read_seconds=0.3)
    transactions = parsed(range(3), datetime.now(UTC).isoformat())
    history.remember(transactions[:1])
    silent = system.stores.valkey.processes()
    for each in silent:
        each.suspend()
    try:
        for _ in range(2):  # an open connection, and a new one, which the server does not even greet
            with pytest.raises(UnavailableError, match=r"Redis does not answer: .*[Tt]imeout"):
                history.remember(transactions)
    finally:
        for each in silent:
            each.resume()

    history.remember(transactions)
    assert system.history().keys() == ids(3)


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="it needs prlimit of util-linux")
def test_a_full_disk_is_an_outage_until_there_is_space(system: Flow, capfd: pytest.CaptureFixture[str]) -> None:
    large = [transaction(number, note=os.urandom(400_000).hex()) for number in range(24)]
    delivery = event(large)
    with limited_files(system, 16 * 1024**2):  # files of the write-ahead log have as much, and the batch has more
        assert system.put(transaction(24)) == TAKEN
        assert system.consumer.handle(delivery) != TAKEN
        assert "File too large" in capfd.readouterr().out
    assert system.counts() == (1, 0, 0)

    assert system.consumer.handle(delivery) == TAKEN
    assert system.counts() == (25, 0, 0)
    assert system.history().keys() == ids(25)


def test_a_statement_that_takes_too_long_is_an_outage(system: Flow) -> None:
    database = Database(system.settings, system.credentials.master, statement_seconds=0.1)

    with pytest.raises(UnavailableError, match="statement timeout"):
        database.run("SELECT pg_sleep(60)")


@pytest.mark.parametrize("name", ["postgresql", "valkey"])
def test_a_store_that_is_killed_amid_2000_transactions_loses_none(system: Flow, name: str) -> None:
    killed = getattr(system.stores, name)
    system.consumer = system.new_consumer(outage_seconds=20)

    with meanwhile(0.3, killed.kill, 0.5, killed.restart):
        for batch in batches(20, 100):
            assert system.put(*batch) == TAKEN
    system.put(transaction(2000))

    assert system.counts() == (2001, 0, 0)
    assert system.history().keys() == ids(2001)


def test_an_outage_of_both_stores_is_waited_out(system: Flow, capfd: pytest.CaptureFixture[str]) -> None:
    both = (system.stores.postgresql, system.stores.valkey)
    system.consumer = system.new_consumer(outage_seconds=20)
    first, *others = batches(5, 400)
    system.put(*first)
    for each in both:
        each.stop()

    with meanwhile(0.3, both[0].restart, 0.3, both[1].restart):
        for batch in others:
            assert system.put(*batch) == TAKEN

    assert system.counts() == (2000, 0, 0)
    assert system.history().keys() == ids(2000)
    written = metrics(capfd.readouterr().out)
    waiting = [line["Waiting"] for line in written if "Waiting" in line]
    assert len(waiting) > 2
    assert waiting == sorted(waiting)
    assert [line["Stored"] for line in written if "Stored" in line] == [400] * 5


@pytest.mark.parametrize("name", ["postgresql", "valkey"])
def test_an_outage_that_lasts_brings_the_whole_batch_again(
    system: Flow, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    away = getattr(system.stores, name)
    system.put(transaction(0))
    delivery = event([transaction(1), transaction(2)])
    away.stop()
    capfd.readouterr()
    try:
        answer = system.consumer.handle(delivery)
    finally:
        away.restart()

    first = delivery["Records"][0]["kinesis"]["sequenceNumber"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": first}]}
    assert '"ERROR", "message": "Lambda has to bring the batch again: ' in capfd.readouterr().out
    assert system.consumer.handle(delivery) == TAKEN
    assert system.counts() == (3, 0, 0)
    assert ids(3) - ids(1) <= system.history().keys()


def test_a_record_that_takes_too_long_is_a_crash_and_stores_nothing(system: Flow) -> None:
    slow = json.dumps(transaction(1, note=[[1.5] * 100] * 2_000)).encode()
    system.consumer = system.new_consumer(processing_seconds=-0.079)  # and 0.04 for each record

    with pytest.raises(DeadlineError):
        system.put(slow, slow)

    assert system.counts() == (0, 0, 0)


def test_transactions_out_of_order_are_in_order_in_history(system: Flow) -> None:
    now = datetime.now(UTC)
    sent = [
        transaction(number, customer_id="c", occurred_at=(now - timedelta(minutes=number)).isoformat())
        for number in range(200)
    ]
    random.Random(1).shuffle(sent)  # noqa: S311 (no secret)
    for start in range(0, 200, 50):
        system.put(*sent[start : start + 50])

    assert system.redis().zrange("customer:c", 0, -1, desc=True) == [f"t-{number}" for number in range(200)]
    latest = int((now + timedelta(hours=24)).timestamp())
    assert system.redis().expiretime("customer:c") == latest


def test_nothing_older_than_a_day_is_in_history(system: Flow) -> None:
    old = datetime.now(UTC) - timedelta(hours=24, seconds=1)
    system.redis().zadd("customer:c-2", {"t-0": old.timestamp()})

    system.put(transaction(1, occurred_at=old.isoformat()), transaction(2))

    assert system.counts() == (2, 0, 0)
    assert system.history().keys() == {"tx:t-2"}
    assert system.redis().zrange("customer:c-2", 0, -1) == ["t-2"]
    assert not system.redis().exists("customer:c-1")


def test_a_token_that_redis_does_not_know_yet_gives_way_to_the_previous(system: Flow) -> None:
    system.credentials.redis = {"AWSCURRENT": "a-token-that-comes-later", "AWSPREVIOUS": AUTH_TOKEN}

    assert system.put(transaction(1)) == TAKEN


def test_a_token_that_redis_knows_and_the_secret_does_not_have_yet_is_taken(system: Flow) -> None:
    system.credentials.redis = {"AWSCURRENT": "a-token-that-was-removed", "AWSPENDING": AUTH_TOKEN}

    assert system.put(transaction(1)) == TAKEN


def test_a_token_is_read_once_while_redis_is_away(system: Flow) -> None:
    system.stores.valkey.stop()
    for _ in range(3):
        assert system.put(transaction(1)) != TAKEN
    assert system.credentials.redis_reads == 1

    system.stores.valkey.restart()
    assert system.put(transaction(1)) == TAKEN
    assert system.credentials.redis_reads == 1


def test_a_token_that_was_rotated_is_read_again(system: Flow) -> None:
    system.consumer = system.new_consumer(outage_seconds=20)
    system.put(transaction(1))
    system.credentials.redis = {"AWSCURRENT": "a-new-token-of-the-tests", "AWSPREVIOUS": AUTH_TOKEN}
    system.stores.valkey.stop()
    system.stores.valkey.restart()
    system.stores.valkey.fleet.call("cache", hashed("a-new-token-of-the-tests"))

    assert system.put(transaction(2)) == TAKEN

    assert system.redis("a-new-token-of-the-tests").exists("tx:t-2")


def test_passwords_that_are_rotated_amid_2000_transactions_lose_none(system: Flow) -> None:
    system.consumer = system.new_consumer(outage_seconds=20)
    new, fleet = "a-new-token-of-the-tests", system.stores.valkey.fleet
    sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tx_consumer'"

    def rotate() -> None:  # as ElastiCache and RDS do it, and nobody may go on with a session that is open
        fleet.call("cache", hashed(AUTH_TOKEN), hashed(new))
        system.credentials.redis = {"AWSCURRENT": new, "AWSPREVIOUS": AUTH_TOKEN}
        fleet.call("cache", hashed(new))
        fleet.call("db", MASTER.user, "a-new-password-of-the-tests")
        system.credentials.master_password = "a-new-password-of-the-tests"  # noqa: S105
        system.redis(new).client_kill_filter(_type="normal")
        system.sql(sessions)

    try:
        with meanwhile(0.3, rotate):
            for batch in batches(20, 100):
                assert system.put(*batch) == TAKEN
        system.put(transaction(2000))
        status = system.new_migrator().handle({"migrate": schema.digest()})
    finally:
        fleet.call("db", MASTER.user, MASTER.password)

    assert status["applied"] == []
    assert system.counts() == (2001, 0, 0)
    assert {f"tx:t-{number}" for number in range(2001)} == {*system.redis(new).keys("tx:*")}


def test_credentials_that_are_refused_are_an_outage(system: Flow) -> None:
    delivery = event([transaction(1)])
    system.credentials.redis = {"AWSCURRENT": "wrong"}
    assert system.consumer.handle(delivery) != TAKEN
    system.credentials.redis = {"AWSCURRENT": AUTH_TOKEN}
    system.credentials.token = "expired"  # noqa: S105
    assert system.new_consumer().handle(delivery) != TAKEN
    system.credentials.token = IAM_TOKEN

    assert system.consumer.handle(delivery) == TAKEN
    assert system.counts() == (1, 0, 0)


CONTENTS = st.binary() | st.builds(
    transaction,
    st.integers(0, 5),
    amount=st.integers(0, 3) | st.floats() | st.text(),
    note=st.text(st.characters()) | st.none() | st.lists(st.floats()),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(CONTENTS, min_size=1, max_size=8))
def test_every_record_is_either_stored_or_kept_aside(
    system: Flow, contents: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    before = sum(system.counts())
    capfd.readouterr()

    assert system.put(*contents) == TAKEN

    [written] = metrics(capfd.readouterr().out)
    kinds = {name: written[name] for name in ("Stored", "Repeated", "Rejected", "Conflicting")}
    assert sum(kinds.values()) == len(contents)
    assert sum(system.counts()) - before == len(contents) - kinds["Repeated"]


@pytest.mark.parametrize(("reuse_seconds", "sessions"), [(60, 1), (0, 2)])
def test_a_session_with_postgresql_that_was_idle_for_long_is_opened_again(
    system: Flow, reuse_seconds: float, sessions: int
) -> None:
    database = Database(
        system.settings,
        lambda: (system.settings.db_user, system.credentials.database_token(system.settings.db_user)),
        reuse_seconds=reuse_seconds,
    )
    processes = {tuple(*database.run("SELECT pg_backend_pid()")) for _ in range(2)}
    database.close()
    assert len(processes) == sessions


@pytest.mark.parametrize(("reuse_seconds", "connections"), [(60, 1), (0, 4)])
def test_a_connection_with_redis_that_was_idle_for_long_is_opened_again(
    system: Flow, reuse_seconds: float, connections: int
) -> None:
    history = History(system.settings, system.credentials, reuse_seconds=reuse_seconds)
    with system.redis() as observer:
        before = observer.info("stats")["total_connections_received"]
        for _ in range(2):
            history.of_customer("nobody", 1)  # two commands
        after = observer.info("stats")["total_connections_received"]
    history.close()
    assert after - before == connections
