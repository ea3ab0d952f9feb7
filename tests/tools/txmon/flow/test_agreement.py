"""The verbs and the functions of processing agree, on real stores."""

import base64
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.support.processing import Flow
from tests.support.processing import flow as running_flow
from tools.txmon.flow import dead_letters, rejected, stores
from tools.txmon.flow.functions import Function
from tools.txmon.flow.samples import Samples
from tools.txmon.flow.send import Record, Sender, as_record

BAD = b'{"transaction_id": "t-bad", "customer_id": "c-1", "amount": "much"}'


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    with running_flow(tmp_path_factory.mktemp("stores")) as running:
        yield running


@pytest.fixture
def migrator(flow: Flow) -> Function:
    """The real migrator, as Lambda would call it."""
    flow.clear()

    def invoke(*, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 (boto3's names)
        assert FunctionName == "migrator"
        return {"Payload": io.BytesIO(json.dumps(flow.migrator.handle(json.loads(Payload))).encode())}

    return Function("migrator", invoke, "test", "/logs")


def test_a_sample_is_stored_in_both_stores_and_shown(flow: Flow, migrator: Function) -> None:
    [sample] = [next(iter(Samples()))]
    assert flow.put(as_record(sample).data) == {"batchItemFailures": []}
    found = stores.transactions(migrator, identity=sample["transaction_id"], customer=None)
    assert [(each.transaction_id, each.body) for each in found.postgresql] == [(sample["transaction_id"], sample)]
    assert [(each.transaction_id, each.body) for each in found.redis] == [(sample["transaction_id"], sample)]
    of_customer = stores.transactions(migrator, identity=None, customer=sample["customer_id"])
    assert of_customer == found
    status = stores.status(migrator)
    assert (status.transactions, status.rejected, len(status.newest)) == (1, 0, 1)
    assert status.lag_seconds is not None


def test_history_is_rebuilt_from_postgresql(flow: Flow, migrator: Function) -> None:
    sample = next(iter(Samples()))
    flow.put(as_record(sample).data)
    flow.redis().flushall()
    assert stores.rebuild_history(migrator, 24) == 1
    assert stores.transactions(migrator, identity=sample["transaction_id"], customer=None).redis


def test_a_mended_record_is_put_again_and_its_rejection_is_resolved(flow: Flow, migrator: Function) -> None:
    flow.put(BAD)
    ids = stores.rejected_ids(migrator)
    assert [each.id for each in stores.rejected(migrator)] == ids
    [found] = rejected.find(migrator, ids)
    assert base64.b64decode(found.data or "") == BAD

    def put_records(**request: Any) -> Mapping[str, Any]:
        flow.put(*(each["Data"] for each in request["Records"]))
        return {"Records": [{"ShardId": "shardId-0"} for _ in request["Records"]]}

    mended = [Record("c-1", as_record(next(iter(Samples()))).data)]
    assert rejected.replay(migrator, Sender(put_records, "arn"), ids, mended) == 1
    assert stores.rejected_ids(migrator) == []
    assert stores.status(migrator).transactions == 1


def test_an_answer_of_the_consumer_is_understood(flow: Flow, migrator: Function) -> None:
    answer = json.dumps(flow.put(as_record(next(iter(Samples()))).data))
    assert dead_letters.ANSWER.validate_json(answer).failures == []


def test_findings_are_listed(migrator: Function) -> None:
    assert stores.findings(migrator) == []
