"""The engine works on a copy of a stack file; only the keys that it adds reach the file itself."""

from pathlib import Path

import pytest

from tools.orchestrator.engine.stack_file_copy import stack_file_copy

STACK_FILE = """# Development.
defaults: &defaults
  txmon-data:backupDays: 0
config:
  <<: *defaults
  protect: false # cheap
"""
BY_THE_ENGINE = """config:
  txmon-data:backupDays: "0"
  txmon-data:protect: "false"
secretsprovider: awskms://alias/x
encryptedkey: abc=
"""
KEYS = "secretsprovider: awskms://alias/x\nencryptedkey: abc=\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "Pulumi.dev.yaml"
    path.parent.mkdir()
    path.write_text(STACK_FILE)
    path.with_name("Pulumi.yaml").write_text("name: txmon-data\n")
    return path


def test_the_copy_is_a_project_with_the_same_text(file: Path) -> None:
    with stack_file_copy(file) as copy:
        assert copy.path.read_text() == STACK_FILE
        assert (copy.project / "Pulumi.yaml").read_text() == "name: txmon-data\n"
        assert copy.project.name == "data"
    assert not copy.project.exists()


def test_what_the_engine_writes_stays_in_the_copy(file: Path) -> None:
    with stack_file_copy(file) as copy:
        copy.path.write_text(BY_THE_ENGINE)
    assert file.read_text(encoding="utf-8") == STACK_FILE


@pytest.mark.parametrize("end", ["", "  txmon-data:zones: [1, 2]"], ids=["newline", "no newline"])
def test_the_keys_are_appended_and_nothing_else_changes(file: Path, end: str) -> None:
    file.write_text(f"{STACK_FILE}{end}", encoding="utf-8")
    with stack_file_copy(file) as copy:
        copy.path.write_text(BY_THE_ENGINE)
        assert copy.take_encryption_keys()
    assert file.read_text(encoding="utf-8") == f"{STACK_FILE}{end}{chr(10) * bool(end)}{KEYS}"


@pytest.mark.parametrize("written", [STACK_FILE, STACK_FILE + KEYS.replace("abc", "def")], ids=["no keys", "others"])
def test_keys_that_the_file_has_are_never_replaced(file: Path, written: str) -> None:
    file.write_text(STACK_FILE + KEYS, encoding="utf-8")
    with stack_file_copy(file) as copy:
        copy.path.write_text(written)
        assert not copy.take_encryption_keys()
    assert file.read_text(encoding="utf-8") == STACK_FILE + KEYS


@pytest.mark.parametrize("edited", ["config: [\n", "config:\n  txmon-data:backupDays: 7\n"])
def test_what_a_person_writes_in_the_meantime_stays(file: Path, edited: str) -> None:
    with stack_file_copy(file) as copy:
        copy.path.write_text(BY_THE_ENGINE)
        file.write_text(edited, encoding="utf-8")
        copy.take_encryption_keys()
    assert file.read_text(encoding="utf-8").removesuffix(KEYS) == edited


def test_a_missing_file_has_no_copy(file: Path) -> None:
    file.unlink()
    with stack_file_copy(file) as copy:
        assert not copy.path.exists()
        assert not copy.take_encryption_keys()
