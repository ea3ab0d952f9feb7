"""A broken stack file or project file is refused with file and line, before a verb does anything else."""

import pytest

from tests.support.monorepo import Facts
from tools.orchestrator.cli.commands import open_environment
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.stack_files import (
    remove_setting,
    require_readable,
    secrets_provider_in_file,
    settings_in_file,
    write_setting,
)

STACK_FILE = "base/Pulumi.dev.yaml"
PROJECT_FILE = "store/Pulumi.yaml"

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
    "a key twice, once with its namespace": (
        STACK_FILE,
        "config:\n  protect: false\n  shop-base:protect: true\n",
        ": shop-base:protect is there twice, written in two ways: keep one of them",
    ),
    "a key twice, once without its namespace": (
        STACK_FILE,
        "config:\n  shop-base:protect: true\n  protect: false\n",
        ": shop-base:protect is there twice, written in two ways: keep one of them",
    ),
    "a key twice, once in Pulumi's old form": (
        STACK_FILE,
        "config:\n  aws:region: a\n  aws:config:region: b\n",
        ": aws:region is there twice, written in two ways: keep one of them",
    ),
    "a key twice, once in a merge": (
        STACK_FILE,
        "other: &other\n  protect: false\nconfig:\n  <<: *other\n  shop-base:protect: true\n",
        ": shop-base:protect is there twice, written in two ways: keep one of them",
    ),
    "a section twice": (
        STACK_FILE,
        "config: {}\nconfig: {}\n",
        ", line 2, is not YAML that Pulumi reads: config is there",
    ),
    "a key that is a list": (
        STACK_FILE,
        "? [a]\n: b\n",
        ", line 1, is not YAML that Pulumi reads: a key has to be text",
    ),
    "a number that is none": (
        STACK_FILE,
        "config:\n  a: !!int b",
        ", line 2, is not YAML that Pulumi reads: this is not a",
    ),
    "a long number": (
        STACK_FILE,
        f"a: {'9' * 5000}",
        ", line 1, is not YAML that Pulumi reads: this is not a valid int",
    ),
    "a set": (STACK_FILE, "a: !!set {b}", " is not what Pulumi reads: a: input was not a valid JSON value"),
    "a list in itself": (STACK_FILE, "a: &a [*a]", " is not what Pulumi reads: a.list.0: Recursion error"),
    "lists of lists": (STACK_FILE, f"a: {'[' * 900}{']' * 900}", " is not what Pulumi reads: a.list.0.list.0"),
    "no text": (STACK_FILE, "\x00", " is not YAML that Pulumi reads: "),
    "a list": (STACK_FILE, "- a\n", " has to be keys with values, as in config: …, not list"),
    "a word": (STACK_FILE, "a\n", " has to be keys with values, as in config: …, not str"),
    "settings that are a list": (STACK_FILE, "config: [a]\n", ": under config there has to be a setting a line"),
    "a project file that does not end": (PROJECT_FILE, "name: [", ", line 2, is not YAML that Pulumi reads: did not"),
    "an empty project file": (PROJECT_FILE, "", ": name has to be shop-store"),
    "another project's name": (PROJECT_FILE, "name: shop-stroe", ": name has to be shop-store"),
}


@pytest.mark.parametrize(("name", "text", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_one_sentence(monorepo: Monorepo, name: str, text: str, sentence: str) -> None:
    (monorepo.projects / name).write_text(text)
    with pytest.raises(OrchestratorError) as refused:
        require_readable(monorepo, "dev")
    assert str(refused.value).startswith(f"projects/{name}{sentence}")
    assert "\n" not in str(refused.value)


def test_every_verb_that_opens_the_environment_refuses_a_broken_file(monorepo: Monorepo) -> None:
    (monorepo.projects / STACK_FILE).write_text("config: [")
    with pytest.raises(OrchestratorError, match=rf"^projects/{STACK_FILE}, line 2, is not YAML"):
        open_environment(monorepo, Facts("dev"))


def test_an_empty_stack_file_has_no_settings(monorepo: Monorepo) -> None:
    (monorepo.projects / STACK_FILE).write_text("")
    require_readable(monorepo, "dev")
    assert settings_in_file(monorepo, "base", "dev") == {}


def test_a_stack_file_may_be_missing_but_a_project_file_may_not(monorepo: Monorepo) -> None:
    (monorepo.projects / STACK_FILE).unlink()
    require_readable(monorepo, "dev")
    (monorepo.projects / PROJECT_FILE).unlink()
    with pytest.raises(OrchestratorError, match=rf"^store has no projects/{PROJECT_FILE}: git checkout projects/"):
        require_readable(monorepo, "dev")


def test_a_key_without_a_namespace_is_a_setting_of_the_layer(monorepo: Monorepo) -> None:
    (monorepo.projects / STACK_FILE).write_text("config:\n  size: 2\n  aws:region: us-east-1\n")
    assert settings_in_file(monorepo, "base", "dev") == {"shop-base:size": 2, "aws:region": "us-east-1"}


def test_a_key_that_is_a_number_is_a_setting_of_the_layer(monorepo: Monorepo) -> None:
    (monorepo.projects / STACK_FILE).write_text("config:\n  1: 2\n")
    assert settings_in_file(monorepo, "base", "dev") == {"shop-base:1": 2}


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        ("", None),
        ("config: {}\n", None),
        ("encryptionsalt: v1:abc\n", "passphrase"),
        ("secretsprovider: awskms://alias/x\nencryptedkey: abc\n", "awskms://alias/x"),
    ],
)
def test_a_stack_file_names_what_encrypts_its_secrets(monorepo: Monorepo, text: str, provider: str | None) -> None:
    (monorepo.projects / STACK_FILE).write_text(text)
    assert secrets_provider_in_file(monorepo, "base", "dev") == provider


@pytest.mark.parametrize("day", ["2026-12-31", '"2026-12-31"'])
def test_a_date_is_text_with_and_without_quotes(monorepo: Monorepo, day: str) -> None:
    (monorepo.projects / STACK_FILE).write_text(f"config:\n  expires: {day}\n")
    assert settings_in_file(monorepo, "base", "dev") == {"shop-base:expires": "2026-12-31"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("config:\n  aws:region: a # here\n", "config:\n  shop-base:size: 3\n  aws:region: a # here\n"),
        ("config:\n  shop-base:size: 2 # GiB\n", "config:\n  shop-base:size: 3 # GiB\n"),
        ("config:\n  size: 2\n  sizes: 7\n", "config:\n  size: 3\n  sizes: 7\n"),
    ],
    ids=["a new setting", "a setting with a comment", "a setting without namespace"],
)
def test_a_number_is_written_and_the_rest_of_the_file_stays(monorepo: Monorepo, before: str, after: str) -> None:
    path = monorepo.stack_file("base", "dev")
    path.write_text(before)
    write_setting(monorepo, "base", "dev", "size", 3)
    assert path.read_text() == after


def test_a_text_is_written_in_quotes_and_replaces_one_without(monorepo: Monorepo) -> None:
    path = monorepo.stack_file("base", "dev")
    path.write_text("config:\n  shop-base:from: last-1 # as restored\n")
    for value in ("db-A@2026-11-28T03:00:00Z", "last-2"):
        write_setting(monorepo, "base", "dev", "from", value)
        assert path.read_text() == f'config:\n  shop-base:from: "{value}" # as restored\n'


@pytest.mark.parametrize("before", ["config: {}\n", 'config:\n  "shop-base:size": 2\n', ""])
def test_a_file_that_is_written_otherwise_is_left_to_a_person(monorepo: Monorepo, before: str) -> None:
    path = monorepo.stack_file("base", "dev")
    path.write_text(before)
    with pytest.raises(OrchestratorError, match=r"^write shop-base:size: 3 into projects/base/Pulumi.dev.yaml, then"):
        write_setting(monorepo, "base", "dev", "size", 3)
    assert path.read_text() == before


@pytest.mark.parametrize(
    "before", ["config:\n  aws:region: a\n\n  sizes: 7\n", "config:\n  size: 2\n\n  sizes: 7 # x"]
)
def test_a_setting_that_was_written_is_removed_and_the_rest_stays(monorepo: Monorepo, before: str) -> None:
    path = monorepo.stack_file("base", "dev")
    path.write_text(before)
    write_setting(monorepo, "base", "dev", "size", 3)
    remove_setting(monorepo, "base", "dev", "size")
    assert path.read_text() == before.replace("  size: 2\n", "")
