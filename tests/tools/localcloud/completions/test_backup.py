"""Tests what is added to AWS Backup."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.support.emulator import client

pytestmark = pytest.mark.local


def test_a_vault_is_locked_and_unlocked(port: int) -> None:
    backup = client("backup", port)
    backup.create_backup_vault(BackupVaultName="copies")
    backup.put_backup_vault_lock_configuration(BackupVaultName="copies", MinRetentionDays=35)
    found = backup.describe_backup_vault(BackupVaultName="copies")
    assert (found["Locked"], found["MinRetentionDays"]) == (True, 35)
    backup.delete_backup_vault_lock_configuration(BackupVaultName="copies")
    found = backup.describe_backup_vault(BackupVaultName="copies")
    assert (found["Locked"], "MinRetentionDays" in found) == (False, False)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        backup.put_backup_vault_lock_configuration(BackupVaultName="none", MinRetentionDays=35)
