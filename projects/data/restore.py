"""What PostgreSQL is made from: nothing, a snapshot, or the backups of an instance at a point in time."""

from collections.abc import Mapping
from typing import Any

LATEST = "latest"
SNAPSHOT = r"(rds:|awsbackup:)?[a-zA-Z][a-zA-Z0-9-]*|arn:aws:rds:[a-z0-9-]+:\d{12}:snapshot:[a-zA-Z0-9:-]+"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
PATTERN = rf"{SNAPSHOT}|db-[A-Z0-9]+@({LATEST}|{TIME})"
WORDS = "a snapshot's name or ARN, or db-ABC@2026-11-28T03:00:00Z or db-ABC@latest"
IGNORED = ["snapshotIdentifier", "restoreToPointInTime"]
"""Of these a change would replace the instance. Ignored, they are of effect only when it is created."""


def origin(restore_from: str | None) -> Mapping[str, Any]:
    """Return the arguments that make an instance from what the setting `restoreFrom` names."""
    if restore_from is None:
        return {}
    source, _, time = restore_from.partition("@")
    if not time:
        return {"snapshot_identifier": source}
    when = {"use_latest_restorable_time": True} if time == LATEST else {"restore_time": time}
    # By resource id, RDS finds an instance also after it was renamed or deleted.
    return {"restore_to_point_in_time": {"source_dbi_resource_id": source, **when}}
