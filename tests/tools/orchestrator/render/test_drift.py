"""Drift, as text and as JSON."""

import json
from pathlib import Path

import pytest

from tests.support.monorepo import make_monorepo
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import SECRET, Difference
from tools.orchestrator.render.drift import as_json, as_text
from tools.orchestrator.run.drift import Drift

VPC = "aws:ec2/vpc:Vpc"
GONE = Difference("queue-dev", "aws:sqs/queue:Queue", None, "deployed", "gone")
OTHER = Difference("vpc-dev", VPC, "tags.Owner", "network-team", "mallory")


@pytest.fixture
def monorepo(tmp_path: Path) -> Monorepo:
    return make_monorepo(
        tmp_path, {"network": (), "streaming": (), "data": (), "monitoring": ("network", "streaming")}
    )


def test_a_layer_that_failed_is_not_shown_as_free_of_drift(monorepo: Monorepo) -> None:
    drift = Drift("dev", {"network": []}, ["data"])
    assert json.loads(as_json(drift)) == {"network": []}
    assert as_text(drift, monorepo) == "data: not known"


def test_json_has_a_list_for_each_layer() -> None:
    assert json.loads(as_json(Drift("dev", {"network": [OTHER], "data": []}, []))) == {
        "network": [
            {
                "resource": "vpc-dev",
                "type": VPC,
                "property": "tags.Owner",
                "state": "network-team",
                "actual": "mallory",
            }
        ],
        "data": [],
    }


def test_text_names_each_difference_and_the_commands_that_revert_it(monorepo: Monorepo) -> None:
    more = Difference("vpc-dev", VPC, "cidrBlock", None, "10.0.0.0/8")
    text = as_text(Drift("dev", {"network": [OTHER, more], "data": []}, []), monorepo)
    assert text.splitlines() == [
        f"network: {VPC} vpc-dev",
        "    tags.Owner: network-team → mallory",
        "    cidrBlock: none → 10.0.0.0/8",
        "state → AWS; put back what the programs say with:",
        "    ./inv up network --refresh --env dev",
    ]


def test_a_resource_that_is_gone_has_a_line(monorepo: Monorepo) -> None:
    lines = as_text(Drift("dev", {"streaming": [GONE]}, []), monorepo).splitlines()
    assert lines[:2] == ["streaming: aws:sqs/queue:Queue queue-dev", "    is gone"]


def test_a_secret_that_differs_is_shown_without_values(monorepo: Monorepo) -> None:
    secret = Difference("db-dev", "aws:rds/instance:Instance", "password", SECRET, SECRET)
    assert "    password: [secret] differs" in as_text(Drift("dev", {"data": [secret]}, []), monorepo).splitlines()


def test_a_deleted_resource_needs_a_deploy_of_its_readers_too(monorepo: Monorepo) -> None:
    assert "./inv deploy-all --env dev" in as_text(Drift("dev", {"streaming": [GONE]}, []), monorepo)
    assert "./inv deploy-all" not in as_text(Drift("dev", {"monitoring": [GONE]}, []), monorepo)


def test_no_drift_is_a_sentence(monorepo: Monorepo) -> None:
    assert as_text(Drift("dev", {"network": []}, []), monorepo) == "no drift in dev"
    assert as_text(Drift("dev", {}, []), monorepo) == "nothing is deployed in dev"
