"""Transactions through the deployed system: from `./inv send` to both stores, across a restart, and replayed."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import tenacity

from tools.localcloud.servers import owner

pytestmark = pytest.mark.local

CUSTOMER = "customer-of-the-test"
BAD = {"transaction_id": "t-bad", "customer_id": CUSTOMER, "amount": "much"}


def asked(clone, event: dict[str, Any]) -> Any:
    """Return what the migrator function answers."""
    name = clone.outputs()["processing"]["migrator_function_name"]
    answer = clone.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    assert "FunctionError" not in answer
    return json.loads(answer["Payload"].read())


def eventually(check: Callable[[], None], seconds: float = 60) -> None:
    """Wait until an assertion holds."""
    tenacity.Retrying(
        wait=tenacity.wait_fixed(0.5),
        stop=tenacity.stop_after_delay(seconds),
        retry=tenacity.retry_if_exception_type(AssertionError),
        reraise=True,
    )(check)


def transaction(number: int) -> dict[str, Any]:
    return {
        "transaction_id": f"t-{number}",
        "occurred_at": datetime.now(UTC).isoformat(),
        "customer_id": CUSTOMER,
        "amount": 1980 + number,
        "currency": "JPY",
    }


def written(path: Path, *transactions: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in transactions), encoding="utf-8")
    return str(path)


def in_both(clone, number: int, customer: str = CUSTOMER) -> None:
    """Check that both stores have so many transactions of a customer, by default the test's."""
    found = asked(clone, {"transactions": {"customer": customer, "limit": 1000}})
    assert [len(found[store]) for store in ("postgresql", "redis")] == [number, number]


@pytest.fixture
def kept(deployed, tmp_path: Path) -> Callable[[], None]:
    """Put ten transactions in both stores, of a customer of the test's own; return the check that they are there."""
    customer = f"customer-{uuid4()}"
    sent = [transaction(0) | {"transaction_id": str(uuid4()), "customer_id": customer} for _ in range(10)]
    done = deployed.inv("send", "--file", written(tmp_path / "kept.jsonl", *sent))
    assert done.code == 0, done.said
    eventually(lambda: in_both(deployed, 10, customer))
    return lambda: in_both(deployed, 10, customer)


def test_transactions_reach_both_stores_and_a_bad_one_is_rejected(deployed, tmp_path: Path) -> None:
    file = written(tmp_path / "some.jsonl", *map(transaction, range(100)), BAD)
    done = deployed.inv("send", "--file", file)
    assert done.code == 0, done.said
    assert done.out.startswith("101 accepted by ")
    eventually(lambda: in_both(deployed, 100))
    table = deployed.inv("rejected").out
    assert "shardId-" in table, table
    assert asked(deployed, {"status": True})["rejected"] == 1


def test_one_transaction_is_shown_with_both_stores(deployed) -> None:
    found = json.loads(deployed.inv("transactions", "--id", "t-7", "--format", "json").out)
    assert [len(found[store]) for store in ("postgresql", "redis")] == [1, 1]
    missing = deployed.inv("transactions", "--id", "t-none")
    assert missing.code == 1
    assert "there is no transaction 't-none' in local" in missing.err


def test_watch_prints_a_line_for_each_look(deployed) -> None:
    done = deployed.inv("watch", "--for", "3s")
    assert done.code == 0, done.said
    lines = done.out.splitlines()
    assert len(lines) == 2
    assert all("in all: 100 stored, 1 rejected, 0 conflicting" in line for line in lines)


def test_a_rejected_record_is_mended_and_put_again(deployed, tmp_path: Path) -> None:
    [rejection] = json.loads(deployed.inv("rejected", "--format", "json").out)
    assert json.loads(base64.b64decode(rejection["data"])) == BAD
    file = written(tmp_path / "mended.jsonl", transaction(100))
    done = deployed.inv("rejected", "--replay", rejection["id"], "--file", file)
    assert done.code == 0, done.said
    assert "1 of 1 rejected records are on the stream again" in done.out
    assert "there are no rejected records in local" in deployed.inv("rejected").out
    eventually(lambda: in_both(deployed, 101))


def test_the_records_of_a_dead_letter_are_replayed_and_it_is_deleted(deployed) -> None:
    outputs = deployed.outputs()["streaming"]
    kinesis, arn = deployed.client("kinesis"), outputs["kinesis_stream_arn"]
    [shard, *_] = [
        each["ShardId"] for each in kinesis.list_shards(StreamARN=arn)["Shards"] if _records(deployed, each)
    ]
    records = _records(deployed, {"ShardId": shard})
    batch = {
        "shardId": shard,
        "startSequenceNumber": records[0]["SequenceNumber"],
        "endSequenceNumber": records[-1]["SequenceNumber"],
        "approximateArrivalOfFirstRecord": "2026-01-02T03:04:05Z",
        "batchSize": len(records),
        "streamArn": arn,
    }
    note = {
        "requestContext": {"condition": "RetryAttemptsExhausted"},
        "timestamp": "2026-01-02T03:04:05Z",
        "KinesisBatchInfo": batch,
    }
    deployed.client("sqs").send_message(QueueUrl=outputs["dead_letter_queue_url"], MessageBody=json.dumps(note))
    assert shard in deployed.inv("dead-letters").out
    done = deployed.inv("dead-letters", "--replay")
    assert done.code == 0, done.said
    assert f"{len(records)} records processed" in done.out
    assert "there are no dead letters in local" in deployed.inv("dead-letters").out
    in_both(deployed, 101)


def _records(clone, shard: dict[str, Any]) -> list[dict[str, Any]]:
    kinesis, arn = clone.client("kinesis"), clone.outputs()["streaming"]["kinesis_stream_arn"]
    place = {"StreamARN": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    found: list[dict[str, Any]] = kinesis.get_records(
        ShardIterator=kinesis.get_shard_iterator(**place)["ShardIterator"]
    )["Records"]
    return found


def test_everything_is_still_there_after_a_restart(deployed, tmp_path: Path) -> None:
    assert deployed.inv("local-down").code == 0
    done = deployed.inv("send", "--file", written(tmp_path / "more.jsonl", transaction(101)))
    assert done.code == 0, done.said
    eventually(lambda: in_both(deployed, 102))


def test_history_is_written_anew_from_postgresql(deployed) -> None:
    done = deployed.inv("rebuild-history")
    assert done.code == 0, done.said
    assert done.out == "102 transactions of the last 24 hours are in Redis\n"


def test_a_drill_restores_a_snapshot_and_the_stream_has_the_rest(deployed) -> None:
    stack_file = deployed.path / "projects/data/Pulumi.local.yaml"
    settings = stack_file.read_text()
    done = deployed.inv("drill", "restore")
    assert done.code == 0, done.said
    assert "200 transactions are back, the last 100 of them from the stream" in done.out
    assert "replace the database, and deploy its readers" in done.out
    in_both(deployed, 102)
    rds = deployed.client("rds")
    assert [each["DBInstanceIdentifier"] for each in rds.describe_db_instances()["DBInstances"]] == ["txdb-local"]
    assert rds.describe_db_snapshots()["DBSnapshots"] == []
    assert stack_file.read_text() == settings
    security, iam = deployed.outputs()["security"], deployed.client("iam")
    for role in (security["kinesis_role_name"], security["migrator_role_name"]):
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        assert len([name for name in names if "data-access" in name]) == 1, names


def test_an_operator_reads_postgresql_once_it_is_allowed(deployed) -> None:
    query = f"SELECT count(*) AS transactions FROM transactions WHERE customer_id = '{CUSTOMER}'"  # noqa: S608
    count = ("sql", query, "--format", "json")
    refused = deployed.inv(*count)
    assert refused.code == 1
    assert "local lets no operator in: set txmon-processing:operatorAccess to true" in refused.err
    with deployed.settings("processing", operatorAccess=True):
        assert deployed.inv("up", "processing").code == 0
    answer = json.loads(deployed.inv(*count).out)
    assert answer == {"columns": ["transactions"], "rows": [[102]], "more": False}
    assert "cannot execute" in deployed.inv("sql", "SELECT lo_create(0)").err


@pytest.mark.slow
def test_a_kill_amid_2000_transactions_loses_none_that_was_accepted(deployed, tmp_path: Path) -> None:
    before = asked(deployed, {"status": True})
    customers = [f"customer-of-the-kill-{number}" for number in range(4)]
    sent = [transaction(1000 + number) | {"customer_id": customers[number % 4]} for number in range(2000)]
    records = [{"Data": json.dumps(each).encode(), "PartitionKey": each["customer_id"]} for each in sent]
    kinesis, arn = deployed.client("kinesis"), deployed.outputs()["streaming"]["kinesis_stream_arn"]
    for start in range(0, 1000, 100):
        assert kinesis.put_records(StreamARN=arn, Records=records[start : start + 100])["FailedRecordCount"] == 0
    deployed.kill()
    done = deployed.inv("send", "--file", written(tmp_path / "rest.jsonl", *sent[1000:]))
    assert done.code == 0, done.said

    def all_are_in_both() -> None:
        for customer in customers:
            found = asked(deployed, {"transactions": {"customer": customer, "limit": 1000}})
            assert [len(found[store]) for store in ("postgresql", "redis")] == [500, 500]

    eventually(all_are_in_both)
    after = asked(deployed, {"status": True})
    more = {name: after[name] - before[name] for name in ("transactions", "rejected", "conflicting")}
    assert more == {"transactions": 2000, "rejected": 0, "conflicting": 0}


CRASH = (
    "    transactions, rejections = [], []\n",
    "    if any(b'deadly' in base64.b64decode(record.data) for record in records):\n        os._exit(1)\n",
)
"""A line of the consumer, and what comes before it to end the process by a record."""


@pytest.mark.slow
def test_a_record_that_ends_the_process_is_put_aside_alone_and_replayed(deployed, tmp_path: Path) -> None:
    customer = "customer-of-the-crash"
    sent = [transaction(number) | {"customer_id": customer} for number in range(5000, 5100)]
    deadly = transaction(5100) | {"customer_id": customer, "note": "deadly"}
    bad = BAD | {"customer_id": customer}
    rejected = asked(deployed, {"status": True})["rejected"]
    consumer, (line, crash) = "projects/processing/app/consume.py", CRASH
    with deployed.source(consumer, line, crash + line), deployed.settings("processing", maximumRetryAttempts=1):
        done = deployed.inv("up", "processing")
        assert done.code == 0, done.said
        file = written(tmp_path / "some.jsonl", *sent[:50], deadly, bad, *sent[50:])
        assert deployed.inv("send", "--file", file).code == 0
        # projects/processing/config.py: within a quarter of an hour with 388 attempts. Here there is one.
        eventually(lambda: in_both(deployed, 100, customer), seconds=120)

    [letter] = json.loads(deployed.inv("dead-letters", "--format", "json").out)
    assert letter["batch"]["batch_size"] == 1
    assert asked(deployed, {"status": True})["rejected"] == rejected + 1

    assert deployed.inv("up", "processing").code == 0
    done = deployed.inv("dead-letters", "--replay")
    assert done.code == 0, done.said
    assert "1 records processed" in done.out
    in_both(deployed, 101, customer)
    assert "there are no dead letters in local" in deployed.inv("dead-letters").out


@pytest.mark.slow
def test_a_function_that_is_gone_is_told_and_put_back(deployed, kept) -> None:
    name = deployed.outputs()["processing"]["migrator_function_name"]
    deployed.client("lambda").delete_function(FunctionName=name)

    done = deployed.inv("transactions", "--id", "t-7")

    assert done.code == 1
    assert f"function:{name}; what was deployed is gone: ./inv drift --env local shows what else" in done.err
    assert "./inv up processing --refresh --env local" in deployed.inv("drift").out
    assert deployed.inv("up", "processing", "--refresh").code == 0
    kept()


@pytest.mark.slow
def test_a_role_that_has_lost_a_right_is_told_and_gets_it_back(deployed, kept) -> None:
    iam, role = deployed.client("iam"), deployed.outputs()["security"]["migrator_role_name"]
    [policy] = [name for name in iam.list_role_policies(RoleName=role)["PolicyNames"] if "data-access" in name]
    iam.delete_role_policy(RoleName=role, PolicyName=policy)
    assert deployed.inv("local-down").code == 0  # ends the function, whose session with PostgreSQL would go on

    done = deployed.inv("rejected")

    assert done.code == 1
    assert "PAM authentication failed for user" in done.err
    assert "./inv drift" in done.err
    assert "./inv up data --refresh --env local" in deployed.inv("drift").out
    assert deployed.inv("up", "data", "--refresh").code == 0
    kept()


@pytest.mark.slow
def test_a_database_that_was_killed_is_told_and_returns_with_its_data(deployed, kept) -> None:
    for each in owner.working_in((deployed.path / ".local/servers").resolve()):
        with suppress(psutil.NoSuchProcess):  # the others end with the first
            if "/postgres" in " ".join(each.cmdline()):
                each.kill()

    done = deployed.inv("rejected")

    assert done.code == 1
    assert "PostgreSQL does not answer" in done.err
    assert "has ended; start the local cloud again: ./inv local-down" in " ".join(deployed.inv("doctor").out.split())
    assert deployed.inv("local-down").code == 0
    assert deployed.inv("local-env").code == 0
    kept()


@pytest.mark.slow
def test_a_schema_and_code_that_do_not_fit_together_are_told(deployed) -> None:
    migration = deployed.path / "projects/processing/app/migrations/9999_of_the_test.sql"

    def up(sql: str | None) -> str:
        migration.unlink() if sql is None else migration.write_text(sql)
        done = deployed.inv("up", "processing")
        assert done.code == 1, done.said
        return str(done.said)

    assert '9999_of_the_test.sql: PostgreSQL says: relation "nothing" does not exist' in up("SELECT 1 FROM nothing;")
    done = deployed.inv("rejected")
    assert done.code == 1
    assert "older than 9999 of the code: run the migrations (./inv up processing)" in done.err
    migration.write_text("CREATE TABLE of_the_test ();")
    assert deployed.inv("up", "processing").code == 0
    assert "9999_of_the_test.sql was edited after it ran; restore it, and put the change" in up("SELECT 1;")
    assert "the schema is newer than the code: it has 9999_of_the_test.sql" in up(None)
    assert deployed.inv("rejected").code == 0


def test_an_environment_without_the_layer_is_told_with_the_command(deployed) -> None:
    done = deployed.inv("destroy", "monitoring")
    assert done.code == 0, done.said
    done = deployed.inv("destroy", "processing")
    assert done.code == 0, done.said
    done = deployed.inv("transactions")
    assert done.code == 1
    assert done.err.endswith("txmon: processing is not deployed in local: ./inv deploy-all --env local\n")
