"""What stays of what the engine writes into a stack file."""

from pathlib import Path

import pytest

from tools.orchestrator.engine import stack_file_guard
from tools.orchestrator.engine.stack_file_guard import kept

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
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "Pulumi.dev.yaml"
    monkeypatch.setattr(stack_file_guard, "stack_file", lambda *_: path)
    path.write_text(BEFORE)
    return path


def after(file: Path, written: str, *, needed: bool) -> str:
    with kept("data", "dev", lambda: needed):
        file.write_text(written)
    return file.read_text()


def test_what_nothing_needs_is_taken_back(file: Path) -> None:
    assert after(file, BY_THE_ENGINE, needed=False) == BEFORE


def test_what_is_needed_is_added_and_no_setting_rewritten(file: Path) -> None:
    assert after(file, BY_THE_ENGINE, needed=True) == (
        f"{BEFORE}encryptedkey: abc=\nsecretsprovider: awskms://alias/x\n"
    )


def test_a_file_that_only_the_engine_has_made_goes(file: Path) -> None:
    file.unlink()
    with kept("data", "dev"):
        file.write_text("encryptionsalt: v1:abc\n")
    assert not file.exists()


def test_it_is_taken_back_after_a_failure_too(file: Path) -> None:
    def fail() -> None:
        with kept("data", "dev"):
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
def test_what_a_person_writes_meanwhile_stays(file: Path, by_a_person: str) -> None:
    assert after(file, by_a_person, needed=False) == by_a_person


def test_keys_that_were_there_before_stay(file: Path) -> None:
    file.write_text(BY_THE_ENGINE)
    assert after(file, BY_THE_ENGINE.replace("abc=", "def="), needed=False).endswith("encryptedkey: def=\n")
