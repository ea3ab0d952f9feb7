"""Completes RDS's snapshots: the data in them, and the instances that are restored from them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions import servers
from tools.localcloud.completions.call import Completion, Refused
from tools.localcloud.completions.rds import MOST_SNAPSHOTS, create_instance_as, described, require_snapshot_possible

if TYPE_CHECKING:
    from tools.localcloud.completions.call import Call

TAKEN: Final = (
    "Engine", "EngineVersion", "AllocatedStorage", "MasterUsername", "DBName", "StorageEncrypted", "KmsKeyId",
    "StorageType", "DBInstanceClass", "LicenseModel",
)  # fmt: skip
"""What a restored instance has from the snapshot, unless the request says otherwise."""


async def _create_snapshot(call: Call) -> dict[str, Any]:
    require_snapshot_possible(call, call.request["DBSnapshotIdentifier"])
    answer = await call.proceed()
    name = answer["DBSnapshot"]["DBSnapshotIdentifier"]
    instance = call.store("_instances")[answer["DBSnapshot"]["DBInstanceIdentifier"]]
    try:
        await servers.change(lambda: servers.take_snapshot(instance, call.store("_snapshots")[name]))
    except Refused:
        call.store("_snapshots").pop(name)
        raise
    return answer


async def _delete_snapshot(call: Call) -> dict[str, Any]:
    snapshot = call.store("_snapshots").get(call.request["DBSnapshotIdentifier"], {})
    answer = await call.proceed()
    await asyncio.to_thread(servers.delete, snapshot)
    return answer


async def _describe_backups(_call: Call) -> dict[str, Any]:
    return {"DBInstanceAutomatedBackups": []}


async def _restore_instance(call: Call) -> dict[str, Any]:
    """Create an instance with the snapshot's data, and so with its users and their passwords."""
    given = dict(call.request)
    name = given.pop("DBSnapshotIdentifier")
    snapshot = call.store("_snapshots").get(name)
    if snapshot is None:
        raise Refused("DBSnapshotNotFound", f"DBSnapshot {name} not found.")
    taken = {key: snapshot[key] for key in TAKEN if snapshot.get(key)}
    made = await create_instance_as(call, taken | given, lambda made: servers.restore_instance(made, snapshot))
    return {"DBInstance": described(call, made)}


COMPLETIONS: Final = (
    Completion(
        "rds",
        "snapshots, for which the server is suspended, final ones, and instances restored from them; "
        f"{MOST_SNAPSHOTS} at most, and none of them automatic",
        {
            "CreateDBSnapshot": _create_snapshot,
            "DeleteDBSnapshot": _delete_snapshot,
            "RestoreDBInstanceFromDBSnapshot": _restore_instance,
            "DescribeDBInstanceAutomatedBackups": _describe_backups,
        },
    ),
)
