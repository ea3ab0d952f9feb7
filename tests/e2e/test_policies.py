"""The policy pack in the engine: a violation is a warning in development and an error in production."""

import re

import psutil
import pytest

pytestmark = pytest.mark.local

PLAIN = "cd projects/security && pulumi preview -s local --policy-pack ../../shared/policies/pack"
VIOLATION = ("projects/security/keys.py", "enable_key_rotation=True", "enable_key_rotation=False")
SENTENCE = "aws:kms/key:Key kms-key-local breaks KMS.4 (A key is rotated): set enable_key_rotation=True"
NO_DEFAULT_GROUP = ("projects/network/vpc.py", "aws.ec2.DefaultSecurityGroup(", "(lambda *_, **__: None)(")
MISSING_GROUP = "aws:ec2/vpc:Vpc vpc-local breaks TXMON.25 "


def test_violation_is_a_warning_in_development(clone) -> None:
    with clone.source(*VIOLATION):
        done = clone.inv("preview", "security")
    assert done.code == 0, done.said
    assert f"warning: {SENTENCE}" in done.said


def test_violation_in_production_prevents_creation(clone) -> None:
    with clone.source(*VIOLATION), clone.settings("security", protect=True, keyDeletionDays=30):
        done = clone.inv("up", "security")
    assert done.code == 1
    # All four keys violate the rule. The engine checks them in parallel and stops at the first.
    any_key = re.escape(SENTENCE).replace("kms\\-key\\-local", r"[\w-]*kms-key-local")
    assert re.search(f"error: {any_key}", done.said)
    assert re.search(f"security failed: {any_key}", done.said)
    described = [
        clone.client("kms").describe_key(KeyId=key["KeyId"]) for key in clone.client("kms").list_keys()["Keys"]
    ]
    assert [key for key in described if "Transaction monitoring" in key["KeyMetadata"]["Description"]] == []


def test_missing_resource_is_reported_for_the_one_that_needs_it(clone) -> None:
    with clone.source(*NO_DEFAULT_GROUP), clone.settings("network", protect=True):
        done = clone.inv("preview", "network")
    assert done.code == 1
    assert f"network failed: {MISSING_GROUP}" in done.said


def test_plain_pulumi_runs_the_same_pack(clone) -> None:
    with clone.source(*VIOLATION):
        warned = clone.shell(PLAIN)
        with clone.settings("security", protect=True):
            refused = clone.shell(PLAIN)
    assert warned.code == 0, warned.said
    assert "[advisory]  access-advisory  (aws:kms:Key: kms-key-local)" in warned.said
    assert refused.code != 0
    assert "[mandatory]  access  (aws:kms:Key: kms-key-local)" in refused.said
    assert "KMS.4 (A key is rotated): set enable_key_rotation=True" in refused.said
    assert "Python" not in warned.said + refused.said  # no crash of the pack at its end


def test_pack_that_does_not_start_stops_the_run(clone) -> None:
    with clone.source("shared/policies/rule.py", "class Violation:", "class Violation"):
        done = clone.inv("up", "network")
    assert done.code == 1
    assert "the policy pack ended, or did not start within 30 s: run shared/policies/pack to see why" in done.said
    assert "succeeded" not in done.said


def test_no_pack_is_left_running(clone) -> None:
    assert clone.inv("up", "network").code == 0
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert [command for command in commands if str(clone.path / "shared/policies") in " ".join(command)] == []
