"""What PostgreSQL can be restored from, what is refused before anything changes, and how room is made."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.recovery.restore import (
    RENAME_SECONDS,
    Database,
    Source,
    if_it_fails,
    next_steps,
    overview,
    require_not_begun,
)

KEY = "arn:aws:kms:ap-northeast-1:123456789012:key/data"
FIRST, LAST = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 28, 2, 55, tzinfo=UTC)
COPIED = datetime(2026, 11, 20, tzinfo=UTC)


class Rds:
    """RDS with snapshots, a window of backups, and instances that are renamed after some looks."""

    def __init__(self, *instances: str, window: bool = True, key: str = KEY, looks: float = 2) -> None:
        self.instances, self.looks, self.has_window = dict.fromkeys(instances, "available"), looks, window
        self.key = key
        self.renamed: tuple[str, str] | None = None

    def describe_db_snapshots(self, **request: str) -> Mapping[str, Any]:
        known = {"good": ("available", KEY), "young": ("creating", KEY), "foreign": ("available", "another")}
        name = request["DBSnapshotIdentifier"]
        if name not in known:
            raise ClientError({"Error": {"Code": "DBSnapshotNotFound"}}, "DescribeDBSnapshots")
        return {"DBSnapshots": [self._snapshot(name, *known[name])]}

    def get_paginator(self, call: str) -> Any:
        assert call == "describe_db_snapshots"
        return self

    def paginate(self, **request: str) -> list[Mapping[str, Any]]:
        assert request == {"DBInstanceIdentifier": "txdb-dev"}
        return [{"DBSnapshots": [self._snapshot("good", "available", KEY)]}]

    def _snapshot(self, name: str, status: str, key: str) -> Mapping[str, Any]:
        given = {"DBSnapshotIdentifier": name, "Status": status, "KmsKeyId": key, "SnapshotType": "manual"}
        return given | {"SnapshotCreateTime": COPIED, "OriginalSnapshotCreateTime": FIRST}

    def describe_db_instance_automated_backups(self, **request: str) -> Mapping[str, Any]:
        assert request == {"DbiResourceId": "db-ABC"}
        window = {"RestoreWindow": {"EarliestTime": FIRST, "LatestTime": LAST}, "KmsKeyId": self.key}
        return {"DBInstanceAutomatedBackups": [{}, window] if self.has_window else []}

    def modify_db_instance(self, **request: Any) -> None:
        assert request["ApplyImmediately"] is True
        self.renamed = request["DBInstanceIdentifier"], request["NewDBInstanceIdentifier"]

    def describe_db_instances(self, **request: str) -> Mapping[str, Any]:
        self.looks -= 1
        if self.renamed and self.looks < 0:
            old, new = self.renamed
            self.instances[new] = self.instances.pop(old)
            self.renamed = None
        name = request["DBInstanceIdentifier"]
        if name not in self.instances:
            raise ClientError({"Error": {"Code": "DBInstanceNotFound"}}, "DescribeDBInstances")
        return {"DBInstances": [{"DBInstanceStatus": self.instances[name]}]}


def database(rds: Rds) -> Database:
    return Database(rds, "txdb-dev", "db-ABC", KEY, sleep=lambda _seconds: None)


def test_a_copied_snapshot_is_a_source_with_the_time_of_its_data() -> None:
    source = database(Rds()).snapshot("good")
    assert (source.setting, source.moment) == ("good", FIRST)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", r"there is no snapshot 'none'; ./inv restore lists them"),
        ("young", r"the snapshot young is creating: wait until it is available"),
        ("foreign", rf"not encrypted with the data key; copy it.*--source-db-snapshot-identifier foreign .*{KEY}"),
    ],
)
def test_another_snapshot_is_refused_with_what_to_do(name: str, why: str) -> None:
    with pytest.raises(OrchestratorError, match=why):
        database(Rds()).snapshot(name)


@pytest.mark.parametrize(
    ("given", "setting", "moment"),
    [
        ("latest", "db-ABC@latest", LAST),
        ("2026-11-28T11:00:00+09:00", "db-ABC@2026-11-28T02:00:00Z", datetime(2026, 11, 28, 2, tzinfo=UTC)),
    ],
)
def test_a_time_within_the_backups_is_a_source(given: str, setting: str, moment: datetime) -> None:
    source = database(Rds()).point(given)
    assert (source.setting, source.moment) == (setting, moment)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("2026-11-28T03:00:00Z", "backups reach from 2026-11-01T00:00:00Z to 2026-11-28T02:55:00Z"),
        ("2026-11-28T02:00:00", "has to be a time with its zone"),
        ("yesterday", "has to be a time with its zone"),
    ],
)
def test_another_time_is_refused(given: str, why: str) -> None:
    with pytest.raises(OrchestratorError, match=why):
        database(Rds()).point(given)


@pytest.mark.parametrize("rds", [Rds(window=False), Rds(key="another")], ids=["none", "under-another-key"])
def test_without_backups_under_the_data_key_no_time_is_a_source(rds: Rds) -> None:
    with pytest.raises(OrchestratorError, match=r"txdb-dev has no automated backups under the data key; \./inv"):
        database(rds).point("latest")


def test_the_instance_is_kept_under_another_name() -> None:
    rds = Rds("txdb-dev")
    kept = database(rds).name_to_keep(datetime(2026, 11, 28, 3, 4, 5, tzinfo=UTC))
    assert kept == "txdb-dev-until-20261128-030405"
    database(rds).rename(kept)
    assert rds.instances == {kept: "available"}


def test_nothing_is_renamed_twice() -> None:
    assert database(Rds("txdb-dev-until-20261128-030405")).name_to_keep(LAST) is None


def test_an_instance_that_an_interrupted_restore_makes_is_not_replaced_by_it() -> None:
    with pytest.raises(OrchestratorError, match=r"RDS has txdb-dev .*continue with: \./inv resume --env dev"):
        require_not_begun("txdb-dev", "txdb-dev-until-1", [], "dev")
    require_not_begun("txdb-dev", None, [], "dev")


def test_a_rename_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 10 * RENAME_SECONDS, RENAME_SECONDS // 3))
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))  # tenacity's clock
    with pytest.raises(OrchestratorError, match=r"RDS has not renamed txdb-dev to .* within 30 min"):
        database(Rds("txdb-dev", looks=float("inf"))).rename("txdb-dev-until-1")


def test_a_replay_begins_before_the_restored_moment() -> None:
    source = database(Rds()).point("2026-11-28T02:00:00Z")
    assert "./inv replay --since 2026-11-28T01:00:00Z --env dev" in next_steps(source, None, "dev")


def test_a_failed_restore_is_continued_with_its_source_committed() -> None:
    told = if_it_fails(Source("good", LAST), "txdb-dev-until-1", "dev").splitlines()
    assert "has restoreFrom: good" in told[0]
    assert told[1].startswith("commit the stack file before anybody else deploys dev")
    assert "./inv resume --env dev; then remove restoreFrom" in told[2]
    assert "txdb-dev-until-1" in told[-1]


def test_the_overview_names_snapshots_and_times() -> None:
    console = Console(width=120)
    with console.capture() as shown:
        console.print(overview(database(Rds())))
    assert "from 2026-11-01T00:00:00Z to 2026-11-28T02:55:00Z" in shown.get()
    assert "good" in shown.get()
