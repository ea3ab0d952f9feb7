"""The copies of PostgreSQL in another region and another account, under mocks."""

import json
from typing import Any

import pulumi
import pytest

from shared.contracts import SecurityContract

VAULT, PLAN = "aws:backup/vault:Vault", "aws:backup/plan:Plan"
OTHER_ACCOUNT = "arn:aws:backup:ap-northeast-1:210987654321:backup-vault:copies"
INSTANCE_ARN = "arn:aws:test:ap-northeast-1:123456789012:rds-postgres-prod"
COPY_KEY_ARN = "arn:aws:test:ap-northeast-1:123456789012:backup-copy-kms-key-prod"
DATA_KEY_ARN = SecurityContract.example()["kms_key_arn"]


def copies(run: Any) -> list[str]:
    [rule] = run.one(PLAN)["rules"]
    return [each["destinationVaultArn"].rpartition(":")[2] for each in rule["copyActions"]]


def test_production_copies_postgresql_to_another_region_four_times_a_day(run_layer) -> None:
    run = run_layer("data", "prod")
    [rule] = run.one(PLAN)["rules"]
    assert (rule["schedule"], rule["lifecycle"]) == ("cron(0 2/6 * * ? *)", {"deleteAfter": 35})
    assert copies(run) == ["backup-copy-vault-prod"]
    assert run.one("aws:backup/selection:Selection")["resources"] == [INSTANCE_ARN]
    vaults = {each.name: (each.inputs["region"], each.inputs["kmsKeyArn"]) for each in run.all(VAULT)}
    assert vaults == {
        "backup-vault-prod": ("ap-northeast-1", DATA_KEY_ARN),
        "backup-copy-vault-prod": ("ap-northeast-3", COPY_KEY_ARN),
    }
    assert run.one("aws:kms/key:Key")["region"] == "ap-northeast-3"


def test_copies_are_locked_and_outlive_the_environment(run_layer) -> None:
    run = run_layer("data", "prod", config={"protect": False})
    lock = run.one("aws:backup/vaultLockConfiguration:VaultLockConfiguration")
    assert (lock["region"], lock["minRetentionDays"]) == ("ap-northeast-3", 35)
    kept = {"backup-vault-prod", "backup-copy-vault-prod", "backup-copy-kms-key-prod", "backup-copy-lock-prod"}
    assert kept <= run.retained


def test_another_account_gets_the_same_copies(run_layer) -> None:
    run = run_layer("data", "prod", config={"copyAccountVault": OTHER_ACCOUNT})
    assert copies(run) == ["backup-copy-vault-prod", "copies"]
    statements = json.loads(run.one("aws:iam/policy:Policy")["policy"])["Statement"]
    [vaults] = [each["Resource"] for each in statements if each["Sid"] == "Vaults"]
    assert OTHER_ACCOUNT in vaults


def test_the_role_of_backups_reaches_this_database_and_its_keys_only(run_layer) -> None:
    run = run_layer("data", "prod")
    role = run.one("aws:iam/role:Role")
    [policy] = run.all("aws:iam/policy:Policy")
    assert role["permissionsBoundary"] == f"arn:aws:test:ap-northeast-1:123456789012:{policy.name}"
    by_name = {each["Sid"]: each for each in json.loads(policy.inputs["policy"])["Statement"]}
    snapshots = "arn:aws:rds:*:123456789012:snapshot:awsbackup:*"
    assert by_name["Snapshots"]["Resource"] == [INSTANCE_ARN, snapshots]
    through = [by_name[name]["Condition"]["StringEquals"]["kms:ViaService"] for name in ("Key0", "Key1")]
    assert through == ["rds.ap-northeast-1.amazonaws.com", "rds.ap-northeast-3.amazonaws.com"]
    assert [by_name[name]["Resource"] for name in ("Key0", "Key1")] == [[DATA_KEY_ARN], [COPY_KEY_ARN]]
    assert by_name["Grants"]["Resource"] == [DATA_KEY_ARN, COPY_KEY_ARN]


def test_development_keeps_no_copies(run_layer) -> None:
    assert run_layer("data", "dev").all(VAULT) == []


def test_the_region_of_the_copies_is_another_one(run_layer) -> None:
    with pytest.raises(pulumi.RunError, match="copyRegion: it is the stack's own, ap-northeast-1"):
        run_layer("data", "prod", config={"copyRegion": "ap-northeast-1"})
