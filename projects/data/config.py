"""The settings of the data layer."""

from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from projects.data import restore, windows
from projects.data.capacity import Load
from projects.data.sizes import DATABASE_CLASSES, NODE_TYPES
from shared.config import LayerConfig, LogRetentionDays, Matching, OneOf


def _window(*, daily: bool, at_least: int) -> AfterValidator:
    """Return a validator for daily or weekly windows of at least `at_least` minutes."""

    def check(window: str) -> str:
        if windows.is_daily(window) != daily or windows.length(window) < at_least:
            form = "hh:mm-hh:mm" if daily else "ddd:hh:mm-ddd:hh:mm"
            raise ValueError(f"{window!r} must be {form} in UTC, of {at_least} minutes or more")
        return window

    return AfterValidator(check)


VAULT = r"arn:aws:backup:[a-z0-9-]+:\d{12}:backup-vault:[a-zA-Z0-9_-]{2,50}"
"""AWS Backup API reference, CreateBackupVault."""

BackupDays = Annotated[int, Field(ge=0, le=35)]
"""RDS and ElastiCache keep backups for 35 days at most; 0 means no backups."""


class DataConfig(LayerConfig):
    """Sizes, versions, backups and windows of PostgreSQL and Redis."""

    transactions_per_minute: PositiveInt = 1000
    """The rate of transactions to size for."""

    bytes_per_transaction: PositiveInt = 1024
    """Bytes of a transaction as the producer sends it, without what Redis and PostgreSQL add."""

    history_hours: PositiveInt = 24
    """Hours of transactions that Redis must hold."""

    database_credentials: Literal["generated", "rds-managed"] = "rds-managed"
    """Who creates the master password: security, or RDS, which also rotates it. Must equal security's setting."""

    master_password_rotation_days: Annotated[int, Field(ge=1, le=1000)] = 30
    """Days between RDS's rotations of the master password that it manages."""

    postgres_version: Annotated[str, Matching(r"1[6-8]", "a major version from 16 to 18")] = "17"
    """A major version. AWS applies minor versions by itself, and allows no downgrade.

    Before 16, PostgreSQL lacks the grants without INHERIT that processing's migrations make.
    """

    postgres_instance_class: Annotated[str, OneOf(DATABASE_CLASSES)] = "db.m7g.large"
    """The instance class of the database and its standby."""

    postgres_storage_gib: Annotated[int, Field(ge=20, le=65536)] = 200
    """Initial size of the gp3 disk. IOPS and throughput stay at gp3's baseline, far above the load."""

    postgres_max_storage_gib: Annotated[int, Field(ge=22, le=65536)] = 2000
    """Size up to which RDS may grow the disk by itself."""

    postgres_multi_az: bool = True
    """Whether PostgreSQL has a standby in another zone."""

    postgres_backup_days: BackupDays = 35
    """Days that backups allow point-in-time recovery; 0 for no backups."""

    postgres_backup_window: Annotated[str, _window(daily=True, at_least=30)] = "17:00-17:30"
    """When the daily backup starts, in UTC. The default is at night in Japan."""

    postgres_maintenance_window: Annotated[str, _window(daily=False, at_least=30)] = "sun:18:00-sun:19:00"
    """When RDS may restart the database, in UTC."""

    postgres_monitoring_seconds: Annotated[int, OneOf((0, 1, 5, 10, 15, 30, 60))] = 15
    """Seconds between the samples of Enhanced Monitoring; 0 for none."""

    postgres_insights: Literal["standard", "advanced"] = "advanced"
    """Database Insights: standard keeps 7 days, advanced 465."""

    redis_node_type: Annotated[str, OneOf(NODE_TYPES)] = "cache.m7g.large"
    """The node type of the primary and its replica."""

    redis_snapshot_days: BackupDays = 7
    """Days that daily snapshots are kept; 0 for none."""

    redis_snapshot_window: Annotated[str, _window(daily=True, at_least=60)] = "15:30-16:30"
    """When the daily snapshot starts, in UTC."""

    redis_maintenance_window: Annotated[str, _window(daily=False, at_least=60)] = "sun:19:30-sun:20:30"
    """When ElastiCache may replace nodes, in UTC. Must not overlap the windows of PostgreSQL."""

    final_snapshot: Annotated[int, Field(ge=0)] = 1
    """Number at the end of the final snapshots' names: raise it after a final snapshot was taken.

    With 0, a deletion takes no final snapshot and deletes PostgreSQL's automated backups.
    """

    copy_days: Annotated[int, Field(ge=0, le=3650)] = 35
    """Days that copies of PostgreSQL are kept in `copyRegion`, one every six hours; 0 for no copies."""

    copy_region: Annotated[str, Matching(r"[a-z]{2}(-[a-z]+)+-\d", "a region, such as ap-northeast-3")] = (
        "ap-northeast-3"
    )
    """The region of the copies. The default is the other one in Japan."""

    copy_account_vault: Annotated[str, Matching(VAULT, "the ARN of a backup vault")] | None = None
    """A vault of another account in the stack's region, for more copies. Needs security's `backupAccount`."""

    restore_from: Annotated[str, Matching(restore.PATTERN, restore.WORDS)] | None = None
    """What PostgreSQL is made from: a snapshot, or the backups of an instance (its resource id) at a time.

    Of effect only while the instance does not exist; `./inv restore` makes room for it, and sets it.
    """

    apply_immediately: bool = False
    """Whether to apply changes at once instead of in the maintenance windows."""

    log_retention_days: LogRetentionDays = 365
    """Days that logs of PostgreSQL and Redis are kept."""

    @property
    def shortages(self) -> list[str]:
        """A sentence for each of cache and disk that is too small for the load."""
        load = Load(self.transactions_per_minute, self.bytes_per_transaction)
        return load.shortages(self.redis_node_type, self.history_hours, self.postgres_max_storage_gib)

    @model_validator(mode="after")
    def _disk_can_grow(self) -> Self:
        # RDS User Guide, "Managing capacity automatically with storage autoscaling".
        least = -(-self.postgres_storage_gib * 11 // 10)
        if self.postgres_max_storage_gib < least:
            raise ValueError(
                f"postgresMaxStorageGib must be 10 % above postgresStorageGib, {least} or more,"
                f" not {self.postgres_max_storage_gib}"
            )
        return self

    @model_validator(mode="after")
    def _windows_do_not_overlap(self) -> Self:
        """Check that no windows overlap.

        AWS refuses a backup during maintenance, and PostgreSQL and Redis must not be unavailable at the same time.
        """
        given = {
            "postgresBackupWindow": self.postgres_backup_window,
            "postgresMaintenanceWindow": self.postgres_maintenance_window,
            "redisSnapshotWindow": self.redis_snapshot_window,
            "redisMaintenanceWindow": self.redis_maintenance_window,
        }
        for (key, window), (other_key, other) in combinations(given.items(), 2):
            if windows.overlap(window, other):
                raise ValueError(f"{other_key} ({other}) overlaps {key} ({window}); move one of them")
        return self

    @model_validator(mode="after")
    def _protected_is_durable(self) -> Self:
        if not self.protect:
            return self
        for key, value in {
            "postgresMultiAz": self.postgres_multi_az,
            "postgresBackupDays": self.postgres_backup_days,
            "copyDays": self.copy_days,
            "redisSnapshotDays": self.redis_snapshot_days,
            "finalSnapshot": self.final_snapshot,
        }.items():
            if not value:
                raise ValueError(f"{key} is off, but the environment is protected; set it, or protect to false")
        if self.shortages:
            raise ValueError("; ".join(self.shortages))
        return self
