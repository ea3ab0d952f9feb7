from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tenacity import retry, stop_after_delay, wait_fixed

from tests.support.emulator import client, running
from tools.localcloud.saver import Journal, Saver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@retry(stop=stop_after_delay(20), wait=wait_fixed(0.02), reraise=True)
def eventually(condition: Callable[[], bool]) -> None:
    assert condition()


class Program:
    """A program whose state is a number, which it saves in a file."""

    def __init__(self, folder: Path) -> None:
        self.number = 0
        self.saved = folder / "saved"
        self.mark = folder / "mark"
        self.journal = Journal(folder / "journal")
        self.fails = folder / "fails"
        self.saver = Saver(self.mark, self.journal, self._save, quiet_seconds=0.1)

    def _save(self) -> bool:
        while (self.fails.parent / "slow").exists():
            time.sleep(0.01)
        if not self.fails.exists():
            self.saved.write_text(str(self.number), encoding="utf-8")
        return not self.fails.exists()

    def change(self) -> None:
        with self.saver.change():
            self.number += 1


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    made.saver.start()
    yield made
    made.saver.stop()


def test_a_change_is_marked_until_it_is_saved(program: Program) -> None:
    with program.saver.change():
        assert program.mark.exists()
        time.sleep(0.5)
        assert not program.saved.exists()
        program.number = 1
    eventually(lambda: not program.mark.exists())
    assert program.saved.read_text() == "1"


def test_a_change_during_a_save_stays_marked(program: Program) -> None:
    slow = program.fails.parent / "slow"
    slow.touch()
    program.change()
    eventually(lambda: bool(psutil.Process().children()))
    program.change()
    slow.unlink()
    eventually(program.saved.exists)
    assert program.mark.exists() or program.saved.read_text() == "2"
    eventually(lambda: not program.mark.exists())
    assert program.saved.read_text() == "2"


def test_a_save_that_fails_leaves_the_mark_and_the_journal(program: Program) -> None:
    program.fails.touch()
    program.saver.append("accepted")
    program.change()
    eventually(lambda: len(program.journal.files()) > 1)
    program.saver.stop()
    program.saver.save_last()
    assert program.mark.exists()
    assert [*program.journal.entries()] == ["accepted"]

    program.fails.unlink()
    program.saver.save_last()
    assert not program.mark.exists()
    assert [*program.journal.entries()] == []


def test_a_save_drops_only_the_entries_that_came_before_it(program: Program) -> None:
    slow = program.fails.parent / "slow"
    slow.touch()
    program.saver.append("before")
    program.change()
    eventually(lambda: bool(psutil.Process().children()))
    program.saver.append("after")
    slow.unlink()
    eventually(lambda: [*program.journal.entries()] == ["after"])


def test_an_entry_that_a_kill_has_cut_off_is_no_entry(tmp_path: Path) -> None:
    Journal(tmp_path / "journal").append({"whole": 1})
    with (tmp_path / "journal/1").open("ab") as file:
        file.write(b'{"half": ')
    again = Journal(tmp_path / "journal")
    again.append({"whole": 2})
    assert [*again.entries()] == [{"whole": 1}, {"whole": 2}]


# In the emulator.


@contextmanager
def killed(home: Path) -> Iterator[int]:
    """Run an emulator that is killed at the end of the block."""
    with running(home) as port:
        yield port
        [process] = [each for each in psutil.Process().children() if each.cwd() == str(home)]
        process.kill()
        process.wait()


def saved(home: Path) -> Callable[[], bool]:
    return lambda: not (home / "unsaved").exists()


def held(kinesis: Any) -> list[int]:
    """Return the numbers in the records of the stream, in their order."""
    found = []
    for shard in kinesis.list_shards(StreamName="kept")["Shards"]:
        place = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(StreamName="kept", **place)["ShardIterator"]
        found += [json.loads(each["Data"]) for each in kinesis.get_records(ShardIterator=iterator)["Records"]]
    return found


def put(kinesis: Any, *numbers: int) -> None:
    records = [{"Data": str(number).encode(), "PartitionKey": "key"} for number in numbers]
    kinesis.put_records(StreamName="kept", Records=records)


@pytest.mark.local
def test_a_killed_emulator_has_what_it_saved_and_every_accepted_record(tmp_path: Path) -> None:
    with killed(tmp_path) as port:
        kinesis = client("kinesis", port)
        kinesis.create_stream(StreamName="kept", ShardCount=2)
        put(kinesis, 1, 2)
        eventually(saved(tmp_path))
        assert (tmp_path / "emulator/kinesis.json").exists()
        put(kinesis, 3, 4)
        kinesis.put_record(StreamName="kept", Data=b"5", PartitionKey="key")
    with killed(tmp_path) as port:
        kinesis = client("kinesis", port)
        assert held(kinesis) == [1, 2, 3, 4, 5]
        put(kinesis, 6)
    with running(tmp_path) as port:
        assert held(client("kinesis", port)) == [1, 2, 3, 4, 5, 6]
    with killed(tmp_path) as port:
        assert held(client("kinesis", port)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.local
def test_an_emulator_that_is_killed_before_it_saved_a_change_starts_empty(tmp_path: Path) -> None:
    with killed(tmp_path) as port:
        client("sqs", port).create_queue(QueueName="saved")
        eventually((tmp_path / "emulator/sqs.json").exists)
        client("sqs", port).create_queue(QueueName="unsaved")
    with running(tmp_path) as port:
        assert client("sqs", port).list_queues().get("QueueUrls", []) == []


@pytest.mark.local
def test_a_save_that_is_killed_between_its_two_renames_is_completed(tmp_path: Path) -> None:
    with running(tmp_path) as port:
        client("sqs", port).create_queue(QueueName="kept")
    (tmp_path / "emulator").rename(tmp_path / "emulator.fresh")
    (tmp_path / "emulator.last").mkdir()
    with running(tmp_path) as port:
        assert client("sqs", port).list_queues()["QueueUrls"]


@pytest.mark.local
def test_reading_and_sending_mark_no_change(tmp_path: Path) -> None:
    with running(tmp_path) as port:
        url = client("sqs", port).create_queue(QueueName="queue")["QueueUrl"]
        key = client("kms", port).create_key()["KeyMetadata"]["KeyId"]
        client("kinesis", port).create_stream(StreamName="kept", ShardCount=1)
        client("logs", port).create_log_group(logGroupName="group")
        eventually(saved(tmp_path))
        put(client("kinesis", port), 1)
        client("sqs", port).send_message(QueueUrl=url, MessageBody="x")
        [message] = client("sqs", port).receive_message(QueueUrl=url)["Messages"]
        client("sqs", port).delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        client("cloudwatch", port).put_metric_data(Namespace="x", MetricData=[{"MetricName": "x", "Value": 1}])
        client("kms", port).encrypt(KeyId=key, Plaintext=b"x")
        client("sts", port).get_caller_identity()
        client("logs", port).filter_log_events(logGroupName="group")
        client("lambda", port).list_functions()
        client("rds", port).describe_db_instances()
        client("ec2", port).describe_vpcs()
        assert saved(tmp_path)()
