"""The READMEs say what the code does."""

import inspect
import re

import pytest
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task

import tasks
from shared.graph import deploy_order
from tools.txmon.docs import ROOT_README, readme, readmes

VERBS = {name.replace("_", "-") for name, value in vars(tasks).items() if isinstance(value, Task)}


def parameters(name: str) -> set[str]:
    return set(inspect.signature(getattr(tasks, name.replace("-", "_")).body).parameters)


ABOUT_AN_ENVIRONMENT = sorted(name for name in VERBS if "env" in parameters(name))


@pytest.mark.parametrize("path", readmes(), ids=lambda path: path.parent.name)
def test_the_tables_of_a_readme_are_current(path) -> None:
    assert path.read_text() == readmes()[path]


@pytest.mark.parametrize("layer", deploy_order())
def test_a_readme_tells_how_the_layers_team_deploys_it(layer: str) -> None:
    text = readme(layer).read_text()
    assert f"./inv up {layer}" in text
    assert "pulumi up -s local" in text


@pytest.mark.parametrize("path", readmes(), ids=lambda path: path.parent.name)
def test_every_verb_that_a_readme_names_exists(path) -> None:
    named = {verb for verb in re.findall(r"(?:\./|/)inv ([a-z][a-z-]+)", path.read_text()) if verb != "VERB"}
    assert named
    assert named <= VERBS


def test_the_readme_names_every_verb() -> None:
    named = set(re.findall(r"\./inv ([a-z][a-z-]+)", ROOT_README.read_text()))
    assert named == VERBS


def test_the_readme_names_the_verbs_that_take_no_environment() -> None:
    [sentence] = re.findall(r"No `--env` have ([^.]+)\.", ROOT_README.read_text())
    assert set(re.findall(r"`([a-z-]+)`", sentence)) == VERBS - set(ABOUT_AN_ENVIRONMENT)


@pytest.mark.parametrize("name", ABOUT_AN_ENVIRONMENT)
def test_a_verb_refuses_an_environment_that_does_not_exist(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    needed = {key: value for key, value in {"layer": "network", "base": "HEAD"}.items() if key in parameters(name)}
    with pytest.raises(Exit) as refused:
        getattr(tasks, name.replace("-", "_"))(Context(), env="pord", **needed)
    assert (refused.value.code, refused.value.message) == (
        1,
        "txmon: there is no environment 'pord'; did you mean 'prod'?",
    )
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_verb_and_each_of_its_options_has_help(name: str) -> None:
    verb = getattr(tasks, name.replace("-", "_"))
    assert verb.__doc__
    # Not by its `get_arguments`, which take the help away from whatever asks next.
    told = {option.replace("-", "_") for option, text in verb.help.items() if text}
    assert told == parameters(name) - {"_"}
