"""The policy pack in the engine: what breaks a rule is said in development, and not made in production."""

import re

import psutil
import pytest

pytestmark = pytest.mark.local

PLAIN = "cd projects/security && pulumi preview -s local --policy-pack ../../shared/policies/pack"
BROKEN = ("projects/security/keys.py", "enable_key_rotation=True", "enable_key_rotation=False")
SENTENCE = "aws:kms/key:Key kms-key-local breaks KMS.4 (A key is rotated): set enable_key_rotation=True"
LACKING = ("projects/network/vpc.py", "aws.ec2.DefaultSecurityGroup(", "(lambda *_, **__: None)(")
LACKS = "aws:ec2/vpc:Vpc vpc-local breaks TXMON.25 "


@pytest.mark.parametrize("env", ["local", "local-strict"])
def test_the_layers_as_they_are_break_no_rule(clone, env: str) -> None:
    if env == "local-strict":
        for folder in (clone.path / "projects").iterdir():
            if (folder / "Pulumi.prod.yaml").exists():
                (folder / f"Pulumi.{env}.yaml").write_text((folder / "Pulumi.prod.yaml").read_text())
    done = clone.inv("preview-all", "--env", env)
    assert done.code == 0, done.said
    assert "breaks" not in done.said


def test_development_is_warned_of_the_resource_the_rule_and_what_to_change(clone) -> None:
    with clone.source(*BROKEN):
        done = clone.inv("preview", "security")
    assert done.code == 0, done.said
    assert f"warning: {SENTENCE}" in done.said


def test_production_is_refused_and_the_resource_is_not_made(clone) -> None:
    with clone.source(*BROKEN), clone.settings("security", protect=True, keyDeletionDays=30):
        done = clone.inv("up", "security")
    assert done.code == 1
    # All four keys break the rule; the engine asks for them side by side and stops at whichever comes first.
    any_key = re.escape(SENTENCE).replace("kms\\-key\\-local", r"[\w-]*kms-key-local")
    assert re.search(f"error: {any_key}", done.said)
    assert re.search(f"security failed: {any_key}", done.said)
    described = [
        clone.client("kms").describe_key(KeyId=key["KeyId"]) for key in clone.client("kms").list_keys()["Keys"]
    ]
    assert [key for key in described if "Transaction monitoring" in key["KeyMetadata"]["Description"]] == []


def test_what_a_stack_lacks_is_said_of_the_resource_that_needs_it(clone) -> None:
    with clone.source(*LACKING), clone.settings("network", protect=True):
        done = clone.inv("preview", "network")
    assert done.code == 1
    assert f"network failed: {LACKS}" in done.said


def test_teams_run_the_same_pack_with_plain_pulumi(clone) -> None:
    with clone.source(*BROKEN):
        warned = clone.shell(PLAIN)
        with clone.settings("security", protect=True):
            refused = clone.shell(PLAIN)
    assert warned.code == 0, warned.said
    assert "[advisory]  access-advisory  (aws:kms:Key: kms-key-local)" in warned.said
    assert refused.code != 0
    assert "[mandatory]  access  (aws:kms:Key: kms-key-local)" in refused.said
    assert "KMS.4 (A key is rotated): set enable_key_rotation=True" in refused.said
    assert "Python" not in warned.said + refused.said  # which would tell that the pack itself broke when it ended


def test_a_pack_that_does_not_start_stops_the_run_before_it_begins(clone) -> None:
    with clone.source("shared/policies/rule.py", "class Violation:", "class Violation"):
        done = clone.inv("up", "network")
    assert done.code == 1
    assert "the policy pack does not start: run shared/policies/pack to see why" in done.said
    assert "succeeded" not in done.said


def test_no_pack_is_left_running(clone) -> None:
    assert clone.inv("up", "network").code == 0
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert [command for command in commands if str(clone.path / "shared/policies") in " ".join(command)] == []
