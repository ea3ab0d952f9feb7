"""A stack file or project file that is broken is one sentence with file and line, before anything else is done."""

import shutil
from pathlib import Path

import pytest
from shared.errors import TxmonError

from shared import environments
from shared.graph import LAYERS
from tools.orchestrator.engine import workspace
from tools.orchestrator.repository import stack_files
from tools.orchestrator.repository.stack_files import require_readable

STACK_FILE = "network/Pulumi.dev.yaml"
PROJECT_FILE = "data/Pulumi.yaml"

BROKEN: dict[str, tuple[str, str, str]] = {
    "a list that does not end": (
        STACK_FILE,
        "config:\n  aws:region: [a\n",
        ", line 3, is not YAML that Pulumi reads: did not find expected ',' or ']'",
    ),
    "a tab": (
        STACK_FILE,
        "config:\n\taws:region: a\n",
        ", line 2, is not YAML that Pulumi reads: found character that cannot start any token",
    ),
    "a key twice": (
        STACK_FILE,
        "config:\n  aws:region: a\n  aws:region: b\n",
        ", line 3, is not YAML that Pulumi reads: aws:region is there twice",
    ),
    "a part twice": (
        STACK_FILE,
        "config: {}\nconfig: {}\n",
        ", line 2, is not YAML that Pulumi reads: config is there",
    ),
    "no text": (STACK_FILE, "\x00", " is not YAML that Pulumi reads: "),
    "a list": (STACK_FILE, "- a\n", " has to be keys with values, as in config: …, not list"),
    "a word": (STACK_FILE, "a\n", " has to be keys with values, as in config: …, not str"),
    "settings that are a list": (STACK_FILE, "config: [a]\n", ": under config there has to be a setting a line"),
    "a project file that does not end": (PROJECT_FILE, "name: [", ", line 2, is not YAML that Pulumi reads: did not"),
    "an empty project file": (PROJECT_FILE, "", ": name has to be txmon-data"),
    "another project's name": (PROJECT_FILE, "name: txmon-dta", ": name has to be txmon-data"),
}


@pytest.fixture(autouse=True)
def projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copied = tmp_path / "projects"
    for layer in LAYERS:
        shutil.copytree(environments.PROJECTS / layer, copied / layer)
    for module in (environments, stack_files):
        monkeypatch.setattr(module, "PROJECTS", copied)
    return copied


@pytest.mark.parametrize(("name", "text", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_one_sentence(projects: Path, name: str, text: str, sentence: str) -> None:
    (projects / name).write_text(text)
    with pytest.raises(TxmonError) as refused:
        require_readable("dev")
    assert str(refused.value).startswith(f"projects/{name}{sentence}")
    assert "\n" not in str(refused.value)


def test_every_verb_that_opens_the_environment_says_it(projects: Path) -> None:
    (projects / STACK_FILE).write_text("config: [")
    with pytest.raises(TxmonError, match=rf"^projects/{STACK_FILE}, line 2, is not YAML"):
        workspace.open_workspace("dev", pytest.fail)


def test_an_empty_stack_file_is_one_without_settings(projects: Path) -> None:
    (projects / STACK_FILE).write_text("")
    require_readable("dev")


def test_a_stack_file_that_is_missing_can_still_be_looked_at_and_a_project_cannot(projects: Path) -> None:
    (projects / STACK_FILE).unlink()
    require_readable("dev")
    (projects / PROJECT_FILE).unlink()
    with pytest.raises(TxmonError, match=rf"^data has no projects/{PROJECT_FILE}: git checkout projects/"):
        require_readable("dev")
