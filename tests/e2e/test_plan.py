"""A plan over all layers: what an upstream change would do downstream, and that a deploy keeps to it."""

import json
import re

import pytest

pytestmark = [pytest.mark.local, pytest.mark.usefixtures("deployed")]


def steps(plan: dict, layer: str) -> dict[str, str]:
    return {step["name"]: step["op"] for step in plan["layers"][layer]["steps"]}


def saved(clone) -> dict:
    file = clone.path / ".txmon/plan.json"
    file.parent.mkdir(exist_ok=True)
    done = clone.inv("preview-all", "--save", str(file))
    assert done.code == 0, done.said
    return json.loads(file.read_text())


def replaced_key(clone):  # noqa: ANN201 (as Clone.source)
    """The data key made anew, and with it everything that is encrypted with it."""
    once = "enable_key_rotation=True,"
    return clone.source("projects/security/keys.py", once, f'{once}\n            multi_region=kind == "kms",')


def test_an_upstream_replacement_shows_what_it_does_downstream(clone) -> None:
    file = clone.path / ".txmon/plan.json"
    with replaced_key(clone):
        done = clone.inv("preview-all", "--expect-no-changes", "--save", str(file))
    assert done.code == 2
    plan = json.loads(file.read_text())
    assert steps(plan, "security")["kms-key-local"] == "replace"
    assert plan["layers"]["security"]["outputs"]["kms_key_arn"].endswith("-> known after the deploy")
    assert steps(plan, "data")["rds-postgres-local"] == "replace"
    assert steps(plan, "data")["redis-cluster-local"] == "replace"
    assert steps(plan, "network") == {}
    lost = done.out.index("resources would be replaced or deleted, ")
    assert lost < done.out.index("replace  aws:rds/instance:Instance rds-postgres-local")


def test_an_output_only_change_is_in_the_plan(clone) -> None:
    contract = clone.source(
        "shared/contracts/streaming.py",
        'layer: ClassVar[str] = "streaming"',
        'layer: ClassVar[str] = "streaming"\n    version: ClassVar[int] = 2',
    )
    with contract:
        plan = saved(clone)
    assert plan["layers"]["streaming"]["steps"] == []
    assert plan["layers"]["streaming"]["outputs"] == {"contract_version": "1 -> 2"}


def databases(clone) -> list[str]:
    return [db["KmsKeyId"] for db in clone.client("rds").describe_db_instances()["DBInstances"]]


def test_a_deploy_stops_before_a_loss_that_the_approved_plan_does_not_have(clone) -> None:
    file = clone.path / ".txmon/plan.json"
    before = databases(clone)
    with replaced_key(clone):
        plan = saved(clone)
        plan["layers"]["data"]["steps"] = []
        file.write_text(json.dumps(plan))
        done = clone.inv("deploy-all", "--plan", str(file))
    assert done.code == 1
    assert re.search(r"^security +succeeded", done.out, re.MULTILINE)
    assert re.search(r"^data +failed", done.out, re.MULTILINE)
    assert "which the approved plan does not have" in done.out
    assert databases(clone) == before


def test_a_deploy_stops_if_the_settings_are_no_longer_those_of_the_plan(clone) -> None:
    saved(clone)
    before = clone.outputs()["network"]["vpc_id"]
    with clone.settings("network", vpcCidr="10.7.0.0/16"):
        done = clone.inv("deploy-all", "--plan", str(clone.path / ".txmon/plan.json"))
    assert done.code == 1
    assert re.search(
        r"^network failed: stopped before it began, because it would now .*replace aws:ec2/vpc:Vpc",
        done.out,
        re.MULTILINE,
    )
    assert clone.outputs()["network"]["vpc_id"] == before


def test_a_network_that_would_be_replaced_is_refused_with_what_would_be_lost(clone) -> None:
    with clone.settings("network", vpcCidr="10.42.0.0/16"):
        done = clone.inv("preview-all")
    assert done.code == 1
    for lost in ("rds-postgres-local", "redis-cluster-local", "vpc-local"):
        assert re.search(rf"replace +\S+ {lost}", done.out), done.out
    assert "./inv destroy data --env local" in done.err


@pytest.mark.parametrize("command", [("deploy-all",), ("up", "network")])
def test_a_deploy_that_would_replace_the_network_is_refused_before_anything_changes(
    clone, command: tuple[str, ...]
) -> None:
    before = clone.resources("network")
    with clone.settings("network", vpcCidr="10.42.0.0/16"):
        done = clone.inv(*command)
    assert done.code == 1
    assert "db-subnet-group-local" in done.err
    assert clone.resources("network") == before


def test_the_same_deploy_goes_on_with_a_plan_that_has_it(clone) -> None:
    file = clone.path / ".txmon/plan.json"
    with replaced_key(clone):
        saved(clone)
        done = clone.inv("deploy-all", "--plan", str(file))
        assert done.code == 0, done.said
        assert databases(clone) == [clone.outputs()["security"]["kms_key_arn"]]
        assert clone.inv("preview-all", "--expect-no-changes").code == 0


def test_a_plan_file_that_is_none_says_how_to_make_one(clone) -> None:
    done = clone.inv("deploy-all", "--plan", "nowhere.json")
    assert done.code == 1
    assert "./inv preview-all --save nowhere.json" in done.err


def test_a_preview_needs_no_secret_value(clone) -> None:
    secrets = clone.client("secretsmanager")
    for name in ("redis-auth-local", "rds-credentials-local"):
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    preview = clone.inv("preview", "data")
    assert preview.code == 0, preview.said
    assert "no changes" in preview.out
