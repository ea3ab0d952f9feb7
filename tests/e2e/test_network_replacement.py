"""A network that would be replaced under the databases is refused, and the order that is named instead works."""

import re

import pytest

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def deployed(clone):  # noqa: ANN201 (a clone, as the fixture it is made of)
    done = clone.inv("deploy-all")
    assert done.code == 0, done.said
    return clone


def test_the_plan_shows_that_the_databases_would_be_lost(deployed) -> None:
    with deployed.settings("network", vpcCidr="10.42.0.0/16"):
        done = deployed.inv("preview-all")
    assert done.code == 1
    for lost in ("rds-postgres-local", "redis-cluster-local", "vpc-local"):
        assert re.search(rf"replace +\S+ {lost}", done.out), done.out
    assert "./inv destroy data --env local" in done.err


@pytest.mark.parametrize("command", [("deploy-all",), ("up", "network")])
def test_a_deploy_is_refused_before_anything_changes(deployed, command: tuple[str, ...]) -> None:
    before = deployed.resources("network")
    with deployed.settings("network", vpcCidr="10.42.0.0/16"):
        done = deployed.inv(*command)
    assert done.code == 1
    assert "db-subnet-group-local" in done.err
    assert deployed.resources("network") == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("vpcCidr", "10.42.0.0/16"),
        ("subnetPrefix", 25),
        ("availabilityZones", ["ap-northeast-1d", "ap-northeast-1c", "ap-northeast-1a"]),
    ],
)
def test_the_commands_that_the_refusal_names_replace_the_network(deployed, setting: str, value: object) -> None:
    """Each case replaces what the one before it left, so that the way back is replaced, too."""
    with deployed.settings("network", **{setting: value}):
        refused = deployed.inv("deploy-all")
        assert refused.code == 1
        commands = re.findall(r"\./inv ([a-z-]+(?: [a-z]+)?) --env local", refused.err)
        assert commands == ["destroy monitoring", "destroy processing", "destroy data", "deploy-all"]
        for command in commands:
            done = deployed.inv(*command.split())
            assert done.code == 0, done.said
        assert done.out.rindex("deleted the replaced aws:ec2/subnet:") < done.out.index(
            "created the replacement of aws:ec2/subnet:"
        )
        planned = deployed.inv("preview-all", "--expect-no-changes")
        assert planned.code == 0, planned.said
