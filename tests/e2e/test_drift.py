"""What is no longer as it was deployed: resources that have drifted, and layers that are stale."""

import json
import re

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


def test_what_was_just_deployed_has_not_drifted(deployed) -> None:
    code, found = drift(deployed)
    assert code == 0
    assert found == {layer: [] for layer in LAYERS}


def test_a_stack_reference_that_reads_something_new_is_no_drift(deployed) -> None:
    with deployed.settings("streaming", retentionHours=36):
        assert deployed.inv("up", "streaming").code == 0
    told = deployed.shell("pulumi refresh -s local --cwd projects/monitoring --preview-only --json")
    assert json.loads(told.out[told.out.index("{") :])["changeSummary"].get("update") == 1
    assert drift(deployed)[0] == 0
    assert deployed.inv("deploy-all").code == 0


def test_changes_behind_our_back_are_drift_and_nothing_is_touched(deployed) -> None:
    deployed.client("kinesis").increase_stream_retention_period(
        StreamName="transaction-stream-local", RetentionPeriodHours=48
    )
    queues = deployed.client("sqs")
    queues.delete_queue(QueueUrl=queues.get_queue_url(QueueName=QUEUE)["QueueUrl"])
    code, found = drift(deployed)
    assert code == 2
    told = {(each["resource"], each["property"]): (each["state"], each["actual"]) for each in found["streaming"]}
    assert told == {
        ("kinesis-stream-local", "retentionPeriod"): (24, 48),
        ("dead-letter-queue-local", None): ("deployed", "gone"),
        ("dead-letter-queue-policy-local", None): ("deployed", "gone"),
    }
    assert not any(found[layer] for layer in found.keys() - {"streaming"})
    assert drift(deployed) == (code, found)


def test_up_alone_does_not_mend_it_and_the_named_command_does(deployed) -> None:
    assert deployed.inv("up", "streaming").code == 0
    told = deployed.inv("drift")
    assert told.code == 2
    assert "./inv up streaming --refresh --env local" in told.out
    assert deployed.inv("up", "streaming", "--refresh", "--env", "local").code == 0
    assert deployed.inv("deploy-all", "--env", "local").code == 0
    assert drift(deployed)[0] == 0
    assert deployed.client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"]


def test_drift_fails_for_a_layer_it_cannot_compare_and_shows_the_others(deployed) -> None:
    with deployed.source("projects/data/Pulumi.local.yaml", "encryptionsalt: v1:", "encryptionsalt: v9:"):
        code, found = drift(deployed)
    assert code == 1
    assert found == {layer: [] for layer in LAYERS if layer != "data"}


def stale(clone) -> list[str]:
    """Return the layers that status shows as stale."""
    return re.findall(r"^(\w+) +stale ", clone.inv("status").out, re.MULTILINE)


def layers_of_last_run(clone) -> list[str]:
    [run] = sorted(clone.path.glob(".txmon/runs/*"))[-1:]
    return sorted(path.name.removesuffix("-up.jsonl") for path in run.glob("*-up.jsonl"))


def test_only_a_reader_of_what_has_changed_is_stale_and_is_deployed(deployed) -> None:
    assert stale(deployed) == []
    with deployed.settings("streaming", shardCount=3):
        done = deployed.inv("up", "streaming")
        assert done.out.splitlines()[-1] == (
            "stale: monitoring (streaming changed); next: ./inv up monitoring --env local"
        )
        assert stale(deployed) == ["monitoring"]
        deployed.shell("pulumi refresh --yes --skip-preview -s local --cwd projects/monitoring")
        assert stale(deployed) == ["monitoring"], "a refresh reads the new outputs and deploys nothing"
        assert deployed.inv("deploy-all", "--stale").code == 0
        assert layers_of_last_run(deployed) == ["monitoring"]
        assert stale(deployed) == []
    assert "no layer of local is stale" in deployed.inv("deploy-all", "--stale").out


def test_a_rotation_reaches_the_database_also_after_an_interruption(deployed) -> None:
    stack_file = deployed.path / "projects/security/Pulumi.local.yaml"

    def version() -> tuple[int, int]:
        """Return the version of the password in the stack file and in the database."""
        [number] = re.findall(r"txmon-security:dbCredentialsVersion: (\d+)", stack_file.read_text())
        [database] = [each for each in deployed.resources("data") if each["type"] == "aws:rds/instance:Instance"]
        return int(number), database["outputs"]["passwordWoVersion"]

    done = deployed.inv("rotate", "database")
    assert done.code == 0, done.said
    assert version() == (2, 2)
    assert stale(deployed) == []
    stack_file.write_text(stack_file.read_text().replace("dbCredentialsVersion: 2", "dbCredentialsVersion: 3"))
    assert deployed.inv("up", "security").out.splitlines()[-1].startswith("stale: data (security changed); next: ")
    assert version() == (3, 2)
    assert deployed.inv("rotate", "database").code == 0
    assert layers_of_last_run(deployed) == ["data"]
    assert version() == (3, 3)
