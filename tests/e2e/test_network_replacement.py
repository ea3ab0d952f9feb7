"""The order in which a network can be replaced under the databases, as the refusal of a deployment names it."""

import re

import pytest

pytestmark = [pytest.mark.local, pytest.mark.slow]


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
