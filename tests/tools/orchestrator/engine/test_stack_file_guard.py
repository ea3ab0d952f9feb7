"""What stays of what the engine writes into a stack file."""

from pathlib import Path

import pytest

from tools.orchestrator.engine.stack_file_guard import preserve_stack_file

BEFORE = """# Development.
config:
  aws:region: ap-northeast-1
  txmon-data:protect: false # cheap
  txmon-data:backupDays: 0
  txmon-data:zones: [1, 2]
"""
BY_THE_ENGINE = """# Development.
config:
  aws:region: ap-northeast-1
  txmon-data:protect: "false" # cheap
  txmon-data:backupDays: "0"
  txmon-data:zones: [1, 2]
secretsprovider: awskms://alias/x
encryptedkey: abc=
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(BEFORE)
    return path


def after(file: Path, written: str, *, needs_keys: bool) -> str:
    """Return the file's text after something was written to it under the guard."""
    with preserve_stack_file(file, lambda: needs_keys):
        file.write_text(written)
    return file.read_text()


def test_the_engines_keys_are_removed_if_nothing_needs_them(file: Path) -> None:
    assert after(file, BY_THE_ENGINE, needs_keys=False) == BEFORE


def test_needed_keys_are_added_and_no_setting_is_rewritten(file: Path) -> None:
    assert after(file, BY_THE_ENGINE, needs_keys=True) == (
        f"{BEFORE}encryptedkey: abc=\nsecretsprovider: awskms://alias/x\n"
    )


def test_a_file_that_the_engine_created_is_deleted(file: Path) -> None:
    file.unlink()
    with preserve_stack_file(file):
        file.write_text("encryptionsalt: v1:abc\n")
    assert not file.exists()


def test_the_file_is_restored_after_a_failure(file: Path) -> None:
    def fail() -> None:
        with preserve_stack_file(file):
            file.write_text(BY_THE_ENGINE)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert file.read_text() == BEFORE


@pytest.mark.parametrize(
    "by_a_person",
    [
        BY_THE_ENGINE.replace('backupDays: "0"', "backupDays: 7"),
        BEFORE.replace("backupDays: 0", "backupDays: 7"),
        BEFORE.replace("# cheap", "# cheaper"),
        f"{BY_THE_ENGINE}half a line: [",
    ],
)
def test_what_a_person_writes_in_the_meantime_stays(file: Path, by_a_person: str) -> None:
    assert after(file, by_a_person, needs_keys=False) == by_a_person


def test_keys_that_the_file_had_before_stay(file: Path) -> None:
    file.write_text(BY_THE_ENGINE)
    written = BY_THE_ENGINE.replace("abc=", "def=")
    assert after(file, written, needs_keys=False).endswith("encryptedkey: def=\n")
