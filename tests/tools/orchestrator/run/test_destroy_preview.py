"""What a destroy deletes and what AWS keeps, from the state alone."""

from typing import Any

import pytest

from tools.orchestrator.run.destroy_preview import remains

DATABASE = "aws:rds/instance:Instance"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
KEY = "aws:kms/key:Key"
CREDENTIALS = "aws:secretsmanager/secret:Secret"


def resource(kind: str, inputs: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::txmon-data::{kind}::thing-dev"
    return {"urn": urn, "type": kind, "custom": True, "inputs": inputs or {}} | more


@pytest.mark.parametrize(
    ("kind", "inputs", "kept"),
    [
        (DATABASE, {"skipFinalSnapshot": True, "deleteAutomatedBackups": True}, []),
        (DATABASE, {"finalSnapshotIdentifier": "txdb-final-1"}, ["snapshot txdb-final-1"]),
        (
            DATABASE,
            {"skipFinalSnapshot": True, "deleteAutomatedBackups": False, "backupRetentionPeriod": 35},
            ["backups of 35 days"],
        ),
        (CACHE, {}, []),
        (CACHE, {"finalSnapshotIdentifier": "redis-final-1"}, ["snapshot redis-final-1"]),
        (
            KEY,
            {"deletionWindowInDays": 7.0},
            ["recoverable for 7 days; then what it encrypts is lost, also snapshots"],
        ),
        (KEY, {}, ["recoverable for 30 days; then what it encrypts is lost, also snapshots"]),
        (CREDENTIALS, {"recoveryWindowInDays": 0}, []),
        (CREDENTIALS, {"recoveryWindowInDays": 30}, ["recoverable for 30 days, in which its name is taken"]),
        ("aws:sqs/queue:Queue", {}, []),
    ],
)
def test_what_aws_keeps_of_a_deleted_resource(kind: str, inputs: dict[str, Any], kept: list[str]) -> None:
    assert remains(resource(kind, inputs)) == kept


def test_aws_keeps_a_retained_resource() -> None:
    assert remains(resource("aws:sns/topic:Topic", retainOnDelete=True)) == ["the resource itself"]
    assert remains(resource(KEY, retainOnDelete=True)) == ["the key itself, for what it encrypts"]
