"""Completes AWS Backup: the locks of vaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions.call import Completion, Refused

if TYPE_CHECKING:
    from tools.localcloud.completions.call import Call

LIMITS: Final = ("MinRetentionDays", "MaxRetentionDays")


def _vault(call: Call) -> dict[str, Any]:
    name = call.request["backupVaultName"]
    found: dict[str, Any] | None = call.store("_vaults").get(name)
    if found is None:
        raise Refused("ResourceNotFoundException", f"Vault '{name}' not found.")
    return found


async def _put_lock(call: Call) -> dict[str, Any]:
    _vault(call).update({"Locked": True} | {name: call.request[name] for name in LIMITS if name in call.request})
    return {}


async def _delete_lock(call: Call) -> dict[str, Any]:
    vault = _vault(call)
    vault["Locked"] = False
    for name in LIMITS:
        vault.pop(name, None)
    return {}


COMPLETIONS: Final = (
    Completion(
        "backup",
        "the locks of vaults",
        {"PutBackupVaultLockConfiguration": _put_lock, "DeleteBackupVaultLockConfiguration": _delete_lock},
        lacks={"backup.Plan: rules": "no backup is ever taken"},
    ),
)
