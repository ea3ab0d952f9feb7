"""The life of an ephemeral environment, in order: made, deployed in parts, priced, compared, expired, destroyed."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from shared.graph import LAYERS

pytestmark = pytest.mark.local

ENV = "local-pr-7"


def files(clone) -> set[str]:
    return {str(path.relative_to(clone.path)) for path in clone.path.glob("projects/*/Pulumi.*")}


def test_a_new_environment_is_stack_files_and_nothing_else(clone) -> None:
    before = files(clone)
    done = clone.inv("new-env", ENV, "--like", "local", "--expires", "3d")
    assert done.code == 0, done.said
    assert files(clone) - before == {f"projects/{layer}/Pulumi.{ENV}.yaml" for layer in LAYERS}
    assert f"next: ./inv deploy-all --env {ENV}" in done.out
    assert not (clone.path / ".local").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((ENV,), f"there is an environment '{ENV}' already, with a stack file in every layer"),
        (("Pr_8",), "an environment cannot have this name: 'Pr_8' must be lower-case letters"),
        (("pr-8", "--like", "lokal"), "there is no environment 'lokal'; did you mean 'local'?"),
        (("pr-8", "--expires", "soon"), "--expires 'soon' is neither a number of days (3d) nor a date"),
    ],
)
def test_a_bad_new_environment_is_one_sentence_and_no_file(clone, arguments: tuple[str, ...], said: str) -> None:
    before = files(clone)
    done = clone.inv("new-env", *arguments)
    assert done.code == 1
    assert f"txmon: {said}" in done.err
    assert files(clone) == before


def test_it_differs_from_the_other_in_its_expiry_and_addresses_only(clone) -> None:
    day = (datetime.now(UTC).date() + timedelta(days=3)).isoformat()
    rows = json.loads(clone.inv("diff-env", "local", ENV, "--format", "json").out)
    addresses = {"layer": "network", "setting": "txmon-network:vpcCidr", "local": "10.0.0.0/16", ENV: "10.1.0.0/16"}
    assert [row for row in rows if row != addresses] == [
        {"layer": layer, "setting": f"txmon-{layer}:expires", "local": None, ENV: day} for layer in LAYERS
    ]
    assert addresses in rows


def test_a_selection_that_leaves_nothing_starts_nothing(clone) -> None:
    done = clone.inv("deploy-all", "--env", ENV, "--only", "data", "--skip", "data")
    assert done.code == 1
    assert "txmon: --only 'data' --skip 'data' leaves no layer" in done.err
    assert not (clone.path / ".local").exists()


def test_only_the_chosen_layers_are_deployed_and_they_carry_the_expiry(clone) -> None:
    done = clone.inv("deploy-all", "--env", ENV, "--only", "network,security")
    assert done.code == 0, done.said
    assert clone.outputs(ENV).keys() == {"network", "security"}
    [vpc] = clone.client("ec2").describe_vpcs(VpcIds=[clone.outputs(ENV)["network"]["vpc_id"]])["Vpcs"]
    tags = {tag["Key"]: tag["Value"] for tag in vpc["Tags"]}
    assert tags["Expires"] == (datetime.now(UTC).date() + timedelta(days=3)).isoformat()


def test_a_chosen_layer_may_not_rely_on_one_that_is_not_deployed(clone) -> None:
    done = clone.inv("deploy-all", "--env", ENV, "--from", "streaming")
    assert done.code == 1
    assert f"processing, monitoring read data, which is not deployed: ./inv up data --env {ENV}" in done.err


def test_a_skipped_layer_is_left_as_it_is_and_the_others_rely_on_it(clone) -> None:
    done = clone.inv("deploy-all", "--env", ENV, "--skip", "network,data,processing,monitoring")
    assert done.code == 0, done.said
    assert clone.outputs(ENV).keys() == {"network", "security", "streaming"}
    assert "[network" not in done.out


def test_a_missing_stack_file_is_named_before_anything_starts(clone) -> None:
    path = clone.path / f"projects/streaming/Pulumi.{ENV}.yaml"
    before = path.read_text()
    path.unlink()
    said = f"{ENV} has no projects/streaming/Pulumi.{ENV}.yaml: ./inv new-env {ENV} --like ENV makes it"
    assert said in clone.inv("status", "--env", ENV).out
    assert said in clone.inv("preview-all", "--env", ENV).err
    for verb in ("drift", "destroy-all"):  # the engine would go on, and write a stack file of its own
        done = clone.inv(verb, "--env", ENV)
        assert (done.code, done.out) == (1, "")
        assert said in done.err
    assert not path.exists()
    assert clone.inv("new-env", ENV, "--like", "local").code == 0
    expires = f"txmon-streaming:expires: {yaml.safe_load(before)['config']['txmon-streaming:expires']!r}"
    assert expires.replace("'", '"') in path.read_text()


def test_the_plan_says_what_it_would_cost(clone) -> None:
    done = clone.inv("preview-all", "--env", ENV)
    before, after = re.search(r"estimated cost: (\d+) USD a month before, (\d+) after", done.out).groups()
    assert 40 < int(before) < int(after)
    estimated = clone.inv("cost", "--env", ENV, "--format", "json")
    assert estimated.code == 0, estimated.said
    found = json.loads(estimated.out)
    assert round(found["usd_a_month"]) == int(after)
    assert found["layers"]["streaming"]["kinesis shard"]["units"] == 2
    assert not [note for note in found["notes"] if note.startswith("no price")]


@pytest.mark.parametrize(("env", "unpriced"), [("dev", []), ("prod", ["database insights vCPU"])])
def test_the_cost_of_an_environment_on_aws_needs_no_state_backend(clone, env: str, unpriced: list[str]) -> None:
    before = [path.read_bytes() for path in sorted(clone.path.glob(f"projects/*/Pulumi.{env}.yaml"))]
    done = clone.inv("cost", "--env", env, "--format", "json")
    assert done.code == 0, done.said
    assert "this prices what the programs would create from nothing" in done.err
    found = json.loads(done.out)
    assert found["usd_a_month"] > 100
    without_price = [note for note in found["notes"] if note.startswith("no price")]
    assert [any(each in note for note in without_price) for each in unpriced] == [True] * len(without_price)
    assert [path.read_bytes() for path in sorted(clone.path.glob(f"projects/*/Pulumi.{env}.yaml"))] == before
    assert list(clone.path.glob(f".local/state/.pulumi/stacks/*/{env}.json")) == []


def test_what_is_deployed_keeps_the_contracts_until_one_changes(clone) -> None:
    done = clone.inv("contracts", "--against-env", ENV)
    assert (done.code, done.out.strip()) == (0, "no output has changed")
    with clone.source("shared/contracts/streaming.py", "kinesis_shard_count: ", "kinesis_shards: "):
        done = clone.inv("contracts", "--against-env", ENV)
    assert done.code == 1
    gone = r"streaming +kinesis_shard_count +renamed to kinesis_shards +monitoring +monitoring read it: let them stop"
    assert re.search(gone, done.out), done.out


def test_a_change_is_deployed_to_the_layers_it_affects(clone) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=clone.path, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch=main")
    git("add", "--all")
    git("commit", "--quiet", "--message", "first")
    with clone.settings("streaming", ENV, retentionHours=48):
        assert json.loads(clone.inv("affected", "--base", "main", "--format", "json").out)["layers"] == [
            "streaming",
            "processing",
            "monitoring",
        ]
        assert clone.inv("affected", "--base", "main", "--env", "prod").out == "no layer is affected\n"
        done = clone.inv("deploy-all", "--env", ENV, "--affected", "main", "--skip", "processing,monitoring")
        assert done.code == 0, done.said
        assert clone.outputs(ENV)["streaming"]["kinesis_retention_hours"] == 48
        assert "[security" not in done.out
    done = clone.inv("deploy-all", "--env", ENV, "--affected", "main")
    assert (done.code, done.out) == (0, "")
    assert "no layer is affected by the change since main: nothing to do" in done.err


def test_status_and_environments_tell_what_has_expired(clone) -> None:
    assert "expired" not in clone.inv("status", "--env", ENV).out
    with clone.settings("network", ENV, expires="2020-01-02"):
        assert f"{ENV} expired on 2020-01-02: ./inv destroy-all --env {ENV}" in clone.inv("status").out
        assert re.search(rf"^{ENV} +local cloud +2020-01-02 \(expired\)", clone.inv("environments").out, re.MULTILINE)
        assert json.loads(clone.inv("environments", "--format", "json").out)[0]["expired"] is True


def test_it_is_destroyed_whole(clone) -> None:
    done = clone.inv("destroy-all", "--env", ENV)
    assert done.code == 0, done.said
    assert clone.client("kinesis").list_streams()["StreamNames"] == []
    assert clone.inv("outputs", "--env", ENV).code == 1
