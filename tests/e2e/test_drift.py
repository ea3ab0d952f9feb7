"""Drift on the local cloud: found, told, not confused with noise, and mended."""

import json

import pytest

from shared.graph import LAYERS

pytestmark = pytest.mark.local

QUEUE = "transaction-dead-letters-local"


def drift(clone) -> tuple[int, dict]:
    done = clone.inv("drift", "--format", "json")
    return done.code, json.loads(done.out)


def test_nothing_deployed_is_no_drift(clone) -> None:
    done = clone.inv("drift")
    assert (done.code, done.out.strip()) == (0, "nothing is deployed in local")


def test_what_was_just_deployed_has_not_drifted(clone) -> None:
    assert clone.inv("deploy-all").code == 0
    code, found = drift(clone)
    assert code == 0
    assert found == {layer: [] for layer in LAYERS}


def test_a_stack_reference_that_reads_something_new_is_no_drift(clone) -> None:
    with clone.settings("streaming", retentionHours=36):
        assert clone.inv("up", "streaming").code == 0
    told = clone.shell("pulumi refresh -s local --cwd projects/monitoring --preview-only --json")
    assert json.loads(told.out[told.out.index("{") :])["changeSummary"].get("update") == 1
    assert drift(clone)[0] == 0
    assert clone.inv("deploy-all").code == 0


def test_changes_behind_our_back_are_drift_and_nothing_is_touched(clone) -> None:
    clone.client("kinesis").increase_stream_retention_period(
        StreamName="transaction-stream-local", RetentionPeriodHours=48
    )
    queues = clone.client("sqs")
    queues.delete_queue(QueueUrl=queues.get_queue_url(QueueName=QUEUE)["QueueUrl"])
    code, found = drift(clone)
    assert code == 2
    told = {(each["resource"], each["property"]): (each["state"], each["actual"]) for each in found["streaming"]}
    assert told == {
        ("kinesis-stream-local", "retentionPeriod"): (24, 48),
        ("dead-letter-queue-local", None): ("deployed", "gone"),
        ("dead-letter-queue-policy-local", None): ("deployed", "gone"),
    }
    assert not any(found[layer] for layer in found.keys() - {"streaming"})
    assert drift(clone) == (code, found)


def test_up_alone_does_not_mend_it_and_the_named_command_does(clone) -> None:
    assert clone.inv("up", "streaming").code == 0
    told = clone.inv("drift")
    assert told.code == 2
    assert "./inv up streaming --refresh --env local" in told.out
    assert clone.inv("up", "streaming", "--refresh", "--env", "local").code == 0
    assert clone.inv("deploy-all", "--env", "local").code == 0
    assert drift(clone)[0] == 0
    assert clone.client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"]


def test_drift_fails_for_a_layer_it_cannot_compare_and_shows_the_others(clone) -> None:
    with clone.source("projects/data/Pulumi.local.yaml", "encryptionsalt: v1:", "encryptionsalt: v9:"):
        code, found = drift(clone)
    assert code == 1
    assert found == {layer: [] for layer in LAYERS if layer != "data"}
