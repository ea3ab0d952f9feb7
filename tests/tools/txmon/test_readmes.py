"""Checks that the pages of the repository agree with its code and with each other."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task

import tasks
from shared.graph import LAYERS
from tools.txmon.docs import ROOT_README, readme, readmes

ROOT = ROOT_README.parent
MANUAL = [ROOT_README, *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [
    *MANUAL,
    ROOT / "CONTRIBUTING.md",
    *sorted(page for folder in ("projects", "shared", "tools") for page in (ROOT / folder).rglob("*.md")),
]
VERBS = {name.replace("_", "-") for name, value in vars(tasks).items() if isinstance(value, Task)}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def parameters(verb: str) -> set[str]:
    return set(inspect.signature(getattr(tasks, verb.replace("-", "_")).body).parameters)


VERBS_WITH_ENVIRONMENT = sorted(verb for verb in VERBS if "env" in parameters(verb))


def verbs_named_in(page: Path) -> set[str]:
    return set(re.findall(r"(?:\./|/)inv ([a-z][a-z-]+)", page.read_text(encoding="utf-8")))


def prose(page: Path) -> str:
    """Return the text of a page without code, in which brackets and # have other meanings."""
    return re.sub(r"^ *```.*?^ *```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link or (target.exists() and (not anchor or anchor in anchors(target))):
            continue
        yield link


@pytest.mark.parametrize("path", readmes(), ids=lambda path: path.parent.name)
def test_generated_tables_are_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == readmes()[path]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layers_readme_shows_how_to_deploy_it(layer: str) -> None:
    text = readme(layer).read_text()
    assert f"./inv up {layer}" in text
    assert "pulumi up -s local" in text


@each_page
def test_verbs_that_a_page_names_exist(page: Path) -> None:
    assert verbs_named_in(page) <= VERBS


def test_the_manual_names_every_verb() -> None:
    assert set().union(*map(verbs_named_in, MANUAL)) == VERBS


@each_page
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    assert not list(broken_links(page))


def test_a_link_to_a_missing_file_or_heading_is_broken(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Right here\n[a](#right-here) [b](page.md) [c](https://example.com/x) `[d](code.md)`\n"
        "```\n# Not a heading\n```\n[e](gone.md) [f](#not-a-heading) [g](page.md#gone)\n"
    )
    assert list(broken_links(page)) == ["gone.md", "#not-a-heading", "page.md#gone"]


def test_the_first_page_is_short() -> None:
    text = ROOT_README.read_text()
    assert len(text.splitlines()) <= 120
    assert len(text.split()) <= 1200


def test_the_diagram_on_the_first_page_is_the_graph() -> None:
    arrows = re.findall(r"^ +([\w &]+) --> (\w+)$", ROOT_README.read_text(), re.MULTILINE)
    drawn = {(upstream, layer) for upstreams, layer in arrows for upstream in upstreams.split(" & ")}
    assert drawn == {(upstream, layer) for layer, info in LAYERS.items() for upstream in info.reads}


def test_the_manual_lists_the_verbs_without_environment() -> None:
    [sentence] = re.findall(r"These verbs have no `--env`: ([^.]+)\.", (ROOT / "docs/environments.md").read_text())
    assert set(re.findall(r"`([a-z-]+)`", sentence)) == VERBS - set(VERBS_WITH_ENVIRONMENT)


@pytest.mark.parametrize("verb", VERBS_WITH_ENVIRONMENT)
def test_a_verb_refuses_an_unknown_environment(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "name": "heartbeat",
        "layer": "network",
        "base": "HEAD",
        "what": "redis",
        "since": "2026-11-28T03:00:00Z",
        "query": "SELECT 1",
    }
    required = {key: value for key, value in given.items() if key in parameters(verb)}
    with pytest.raises(Exit) as refused:
        getattr(tasks, verb.replace("-", "_"))(Context(), env="pord", **required)
    assert (refused.value.code, refused.value.message) == (
        1,
        "txmon: there is no environment 'pord'; did you mean 'prod'?",
    )
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_and_each_of_its_options_has_help(verb: str) -> None:
    task = getattr(tasks, verb.replace("-", "_"))
    assert task.__doc__
    # `get_arguments` is not used because it removes the help from the task.
    with_help = {option.replace("-", "_") for option, text in task.help.items() if text}
    assert with_help == parameters(verb) - {"_"}
