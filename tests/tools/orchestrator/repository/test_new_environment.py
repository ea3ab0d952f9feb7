"""Environments that are created like another one, and expire."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from tests.support.monorepo import change_settings, make_monorepo
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.environments import known_environments
from tools.orchestrator.repository.new_environment import create, lifetimes, parse_expiry
from tools.orchestrator.repository.settings import differences
from tools.orchestrator.repository.stack_files import settings_in_file

TODAY = date(2026, 11, 24)
LATER = date(2026, 12, 1)


@pytest.fixture
def monorepo(tmp_path: Path) -> Monorepo:
    """Return a monorepo whose environments differ, with a passphrase in `local`."""
    monorepo = make_monorepo(tmp_path, environments=("local", "dev", "prod"))
    for layer in monorepo.layers:
        path = monorepo.stack_file(layer, "local")
        path.write_text(path.read_text() + "encryptionsalt: v1:salt\n")
        change_settings(monorepo, layer, "dev", protect=False)
    change_settings(monorepo, "store", "prod", size=3)
    return monorepo


def read(monorepo: Monorepo, layer: str, env: str) -> str:
    return monorepo.stack_file(layer, env).read_text()


def delete_stack_files(monorepo: Monorepo, env: str, *layers: str) -> None:
    for layer in layers:
        monorepo.stack_file(layer, env).unlink()


@pytest.mark.parametrize("like", ["dev", "prod"])
def test_a_new_environment_has_the_settings_of_the_other(monorepo: Monorepo, like: str) -> None:
    before = set(monorepo.root.rglob("*"))
    new = create(monorepo, "pr-12", like, None)
    expected = [monorepo.stack_file(layer, "pr-12") for layer in monorepo.layers]
    assert set(monorepo.root.rglob("*")) - before == set(expected)
    assert (new.files, new.skipped_secrets) == (expected, [])
    assert differences(monorepo, like, "pr-12") == []
    assert "pr-12" in known_environments(monorepo)


def test_a_new_environment_gets_a_value_of_its_own_where_it_has_to(monorepo: Monorepo) -> None:
    change_settings(monorepo, "store", "dev", size=5)
    unlike = replace(monorepo, unlike_others={"store": ("size", lambda others: max(others) + 1)})
    create(unlike, "pr-12", "prod", None)
    assert settings_in_file(monorepo, "store", "pr-12")["shop-store:size"] == 6


def test_a_new_environment_lacks_what_is_not_copied(monorepo: Monorepo) -> None:
    create(replace(monorepo, not_copied=[("store", "size")]), "pr-12", "prod", None)
    assert "shop-store:size" in settings_in_file(monorepo, "store", "prod")
    assert "shop-store:size" not in settings_in_file(monorepo, "store", "pr-12")


def test_a_new_environment_on_aws_has_no_key_of_another(monorepo: Monorepo) -> None:
    create(monorepo, "pr-12", "local", None)
    assert yaml.safe_load(read(monorepo, "store", "pr-12")).keys() == {"config"}


def test_a_new_local_environment_has_the_salt_of_the_local_passphrase(monorepo: Monorepo) -> None:
    create(monorepo, "local-a", "dev", None)
    for layer in monorepo.layers:
        assert yaml.safe_load(read(monorepo, layer, "local-a"))["encryptionsalt"] == "v1:salt"


def test_suffix_and_expiry_of_the_other_environment_are_not_copied(monorepo: Monorepo) -> None:
    change_settings(monorepo, "store", "dev", environmentSuffix="development", expires="2026-11-30")
    create(monorepo, "pr-12", "dev", None)
    settings = settings_in_file(monorepo, "store", "pr-12")
    assert "shop-store:environmentSuffix" not in settings
    assert "shop-store:expires" not in settings


def test_secret_settings_are_skipped_and_named(monorepo: Monorepo) -> None:
    change_settings(monorepo, "watch", "dev", receivers=[{"protocol": "email", "endpoint": {"secure": "v1:abc"}}])
    assert create(monorepo, "pr-12", "dev", None).skipped_secrets == ["shop-watch:receivers"]
    assert "v1:abc" not in read(monorepo, "watch", "pr-12")


@pytest.mark.parametrize("like", ["dev", "prod"])
def test_an_environment_that_expires_is_not_protected(monorepo: Monorepo, like: str) -> None:
    create(monorepo, "pr-12", like, LATER)
    for layer in monorepo.layers:
        settings = settings_in_file(monorepo, layer, "pr-12")
        assert settings[f"shop-{layer}:expires"] == LATER.isoformat()
        assert settings[f"shop-{layer}:protect"] is False
        lines = read(monorepo, layer, "pr-12").splitlines()
        assert all("#" in line for line in lines if line.startswith("  shop-"))


def refuse(name: str) -> None:
    raise ValueError(f"{name!r} is refused")


def test_a_name_that_the_monorepo_refuses_creates_nothing(monorepo: Monorepo) -> None:
    before = sorted(monorepo.root.rglob("*"))
    with pytest.raises(OrchestratorError, match=r"^an environment cannot have this name: 'pr-12' is refused$"):
        create(replace(monorepo, check_name=refuse), "pr-12", "dev", None)
    assert sorted(monorepo.root.rglob("*")) == before


def test_a_complete_environment_is_not_created_again(monorepo: Monorepo) -> None:
    before = {path: path.read_text() for path in monorepo.root.rglob("*.yaml")}
    with pytest.raises(OrchestratorError, match="an environment 'dev' already, with a stack file in every layer"):
        create(monorepo, "dev", "dev", None)
    assert {path: path.read_text() for path in monorepo.root.rglob("*.yaml")} == before


def test_the_other_environment_has_to_exist(monorepo: Monorepo) -> None:
    with pytest.raises(OrchestratorError, match="there is no environment 'deb'; did you mean 'dev'"):
        create(monorepo, "pr-12", "deb", None)


def test_an_environment_is_completed_and_its_files_stay(monorepo: Monorepo) -> None:
    create(monorepo, "pr-12", "dev", LATER)
    delete_stack_files(monorepo, "pr-12", "store")
    before = {path: path.read_text() for path in monorepo.root.rglob("*.yaml")}
    [new] = create(monorepo, "pr-12", "prod", None).files
    assert new == monorepo.stack_file("store", "pr-12")
    assert {path: path.read_text() for path in monorepo.root.rglob("*.yaml") if path != new} == before
    settings = settings_in_file(monorepo, "store", "pr-12")
    assert (settings["shop-store:expires"], settings["shop-store:protect"]) == (LATER.isoformat(), False)
    delete_stack_files(monorepo, "pr-12", "store")
    with pytest.raises(OrchestratorError, match="which say whether it expires: leave out --expires"):
        create(monorepo, "pr-12", "dev", LATER)


def test_an_environment_is_completed_with_its_own_suffix_and_region(monorepo: Monorepo) -> None:
    create(monorepo, "pr-12", "dev", None)
    for layer in monorepo.layers:
        change_settings(monorepo, layer, "pr-12", environmentSuffix="twelve")
        path = monorepo.stack_file(layer, "pr-12")
        path.write_text(path.read_text().replace("ap-northeast-1", "ap-northeast-3"))
    before = {layer: settings_in_file(monorepo, layer, "pr-12") for layer in monorepo.layers}
    delete_stack_files(monorepo, "pr-12", "base", "store")
    create(monorepo, "pr-12", "dev", None)
    assert {layer: settings_in_file(monorepo, layer, "pr-12") for layer in monorepo.layers} == before
    line = '  shop-store:environmentSuffix: "twelve" # as in the other layers of pr-12\n'
    assert line in read(monorepo, "store", "pr-12")


def test_no_stack_file_is_left_if_one_cannot_be_written(monorepo: Monorepo) -> None:
    before = sorted(monorepo.root.rglob("*"))
    monorepo.stack_file("store", "pr-12").symlink_to(monorepo.root / "no folder/file")
    with pytest.raises(OSError, match="No such file or directory"):
        create(monorepo, "pr-12", "dev", None)
    assert sorted(monorepo.root.rglob("*")) == before


def test_the_local_environment_is_completed_with_its_salt(monorepo: Monorepo) -> None:
    delete_stack_files(monorepo, "local", "base")
    create(monorepo, "local", "dev", None)
    assert yaml.safe_load(read(monorepo, "base", "local")) == {
        "config": {"aws:region": "ap-northeast-1", "shop-base:protect": False},
        "encryptionsalt": "v1:salt",
    }


def test_the_other_environment_needs_the_stack_files_to_copy(monorepo: Monorepo) -> None:
    delete_stack_files(monorepo, "prod", "store")
    sentence = r"prod has no projects/store/Pulumi.prod.yaml: ./inv new-env prod"
    with pytest.raises(OrchestratorError, match=sentence):
        create(monorepo, "pr-12", "prod", None)
    with pytest.raises(OrchestratorError, match="prod has no projects/store"):
        create(monorepo, "prod", "prod", None)
    assert not list(monorepo.root.rglob("Pulumi.pr-12.yaml"))


@pytest.mark.parametrize(
    ("text", "day"), [("3d", date(2026, 11, 27)), ("1d", date(2026, 11, 25)), ("2026-12-31", date(2026, 12, 31))]
)
def test_an_expiry_is_a_number_of_days_or_a_date(text: str, day: date) -> None:
    assert parse_expiry(text, TODAY) == day


@pytest.mark.parametrize("text", ["0d", "2026-11-24", "2020-01-01"])
def test_an_expiry_has_to_be_after_today(text: str) -> None:
    with pytest.raises(OrchestratorError, match="is not after today, 2026-11-24"):
        parse_expiry(text, TODAY)


@pytest.mark.parametrize("text", ["", "3", "3 days", "-3d", "tomorrow", "2026-02-30", "99999d"])
def test_any_other_expiry_is_refused(text: str) -> None:
    with pytest.raises(OrchestratorError, match=r"is neither a number of days \(3d\) nor a date"):
        parse_expiry(text)


def test_environments_are_listed_by_expiry_with_their_location(monorepo: Monorepo) -> None:
    create(monorepo, "pr-12", "dev", LATER)
    create(monorepo, "pr-11", "dev", TODAY)
    create(monorepo, "local-a", "dev", None)
    found = {each.env: each for each in lifetimes(monorepo, TODAY)}
    assert list(found)[:2] == ["pr-11", "pr-12"]
    assert [each.env for each in found.values() if each.expired] == ["pr-11"]
    assert str(found["pr-11"]).startswith("pr-11 expired on 2026-11-24: ./inv destroy-all --env pr-11")
    assert {found[env].location for env in ("local", "local-a")} == {"local cloud"}
    assert {found[env].location for env in ("dev", "pr-11")} == {"AWS"}
    change_settings(monorepo, "store", "pr-12", expires="2026-11-01")
    assert [each.env for each in lifetimes(monorepo, TODAY) if each.expired] == ["pr-12", "pr-11"]


def test_a_list_of_environments_names_missing_stack_files(monorepo: Monorepo) -> None:
    delete_stack_files(monorepo, "prod", "store", "vault")
    assert {each.env: each.without_stack_file for each in lifetimes(monorepo)} == {
        "dev": [],
        "local": [],
        "prod": ["vault", "store"],
    }


def test_a_bad_expiry_in_a_stack_file_names_the_file(monorepo: Monorepo) -> None:
    change_settings(monorepo, "store", "dev", expires="soon")
    sentence = r"projects/store/Pulumi.dev.yaml: expires: 'soon' is not a date"
    with pytest.raises(OrchestratorError, match=sentence):
        lifetimes(monorepo)


@pytest.mark.parametrize("day", ["2026-12-31", '"2026-12-31"'])
def test_an_expiry_is_the_same_with_and_without_quotes(monorepo: Monorepo, day: str) -> None:
    monorepo.stack_file("base", "dev").write_text(f"config:\n  shop-base:expires: {day}\n")
    assert [each.expires for each in lifetimes(monorepo) if each.env == "dev"] == [date(2026, 12, 31)]
