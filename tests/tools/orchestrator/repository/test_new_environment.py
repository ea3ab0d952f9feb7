"""Environments that come and go, and what differs between two."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from shared.errors import TxmonError

from shared import environments
from shared.graph import LAYERS, project
from tools.orchestrator.repository import new_environment, settings, stack_files
from tools.orchestrator.repository.new_environment import lifetimes, make_environment, parse_expiry
from tools.txmon.layers import config_class

TODAY = date(2026, 11, 24)
LATER = date(2026, 12, 1)


@pytest.fixture
def projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the committed stack files, on a day that is always the same."""
    copied = tmp_path / "projects"
    for layer in LAYERS:
        (copied / layer).mkdir(parents=True)
        for name in ("Pulumi.yaml", "Pulumi.local.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml"):
            shutil.copy(environments.PROJECTS / layer / name, copied / layer)
    for module in (environments, stack_files):
        monkeypatch.setattr(module, "PROJECTS", copied)
    monkeypatch.setattr(new_environment, "today", lambda: TODAY)
    return copied


def change(projects: Path, layer: str, env: str, **values: object) -> None:
    path = projects / layer / f"Pulumi.{env}.yaml"
    content = yaml.safe_load(path.read_text())
    content["config"] |= {f"{project(layer)}:{key}": value for key, value in values.items()}
    path.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize("like", ["dev", "prod"])
def test_a_new_environment_has_the_settings_of_the_other(projects: Path, like: str) -> None:
    before = set(projects.rglob("*"))
    made = make_environment("pr-12", like, None)
    assert {path.relative_to(projects) for path in set(projects.rglob("*")) - before} == {
        Path(layer) / "Pulumi.pr-12.yaml" for layer in LAYERS
    }
    assert len(made.said) == len(LAYERS)
    assert settings.differences(like, "pr-12") == []
    assert "pr-12" in environments.known_environments()


def test_a_new_environment_on_aws_has_no_key_of_another(projects: Path) -> None:
    make_environment("pr-12", "local", None)
    assert yaml.safe_load((projects / "data/Pulumi.pr-12.yaml").read_text()).keys() == {"config"}


def test_a_new_local_environment_has_the_salt_of_the_local_passphrase(projects: Path) -> None:
    make_environment("local-a", "dev", None)
    for layer in LAYERS:
        salts = [
            yaml.safe_load((projects / layer / f"Pulumi.{env}.yaml").read_text())["encryptionsalt"]
            for env in ("local", "local-a")
        ]
        assert salts[0] == salts[1]


def test_names_of_the_other_environment_are_not_taken_over(projects: Path) -> None:
    change(projects, "data", "dev", environmentSuffix="development", expires="2026-11-30")
    make_environment("pr-12", "dev", None)
    written = stack_files.written("data", "pr-12")
    assert "txmon-data:environmentSuffix" not in written
    assert "txmon-data:expires" not in written


def test_secret_settings_are_left_out_and_named(projects: Path) -> None:
    change(projects, "monitoring", "dev", subscriptions=[{"protocol": "email", "endpoint": {"secure": "v1:abc"}}])
    made = make_environment("pr-12", "dev", None)
    assert made.said[0] == "made projects/network/Pulumi.pr-12.yaml"
    assert made.said[-1].startswith("left out txmon-monitoring:subscriptions, which is secret")
    assert "v1:abc" not in (projects / "monitoring/Pulumi.pr-12.yaml").read_text()


@pytest.mark.parametrize("like", ["dev", "prod"])
def test_an_environment_that_expires_says_so_and_can_be_destroyed(projects: Path, like: str) -> None:
    make_environment("pr-12", like, LATER)
    for layer in LAYERS:
        own = f"{project(layer)}:"
        given = stack_files.written(layer, "pr-12")
        config = config_class(layer).parse(
            {"environmentSuffix": "pr-12"}
            | {key.removeprefix(own): value for key, value in given.items() if key.startswith(own)},
            "file",
        )
        assert (config.expires, config.protect) == (LATER, False)
        lines = (projects / layer / "Pulumi.pr-12.yaml").read_text().splitlines()
        assert all("#" in line for line in lines if line.startswith("  txmon-"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PR-12", "an environment cannot have this name: 'PR-12' must be lower-case letters"),
        ("pr--12", "must be lower-case letters, digits and single hyphens"),
        ("../x", "must be lower-case letters"),
        ("", "must be lower-case letters"),
        ("a" * 60, "has 60 characters; at most"),
        ("dev", "there is an environment 'dev' already, with a stack file in every layer"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_made(projects: Path, name: str, said: str) -> None:
    before = sorted(projects.rglob("*"))
    with pytest.raises(TxmonError) as refused:
        make_environment(name, "dev", None)
    assert said in str(refused.value)
    assert sorted(projects.rglob("*")) == before


@pytest.mark.usefixtures("projects")
def test_the_environment_to_be_like_has_to_exist() -> None:
    with pytest.raises(TxmonError, match="there is no environment 'deb'; did you mean 'dev'"):
        make_environment("pr-12", "deb", None)


def lose(projects: Path, env: str, *layers: str) -> None:
    for layer in layers:
        (projects / layer / f"Pulumi.{env}.yaml").unlink()


def test_an_environment_that_lacks_stack_files_is_known_and_says_which(projects: Path) -> None:
    lose(projects, "prod", "data", "streaming")
    assert environments.find_environment("prod").name == "prod"
    assert environments.incomplete("prod", ["network", "security"]) is None
    assert environments.incomplete("prod") == (
        "prod has no projects/streaming/Pulumi.prod.yaml, projects/data/Pulumi.prod.yaml: "
        "./inv new-env prod --like ENV makes them, with the settings of ENV (dev or local)"
    )
    assert {each.env: each.lacking for each in lifetimes()} == {
        "dev": [],
        "local": [],
        "prod": ["streaming", "data"],
    }
    assert json.loads(new_environment.as_json(lifetimes()))[2]["no_stack_file_in"] == ["streaming", "data"]
    with pytest.raises(TxmonError, match="prod has no projects/streaming"):
        settings.differences("dev", "prod")


def test_an_environment_is_completed_and_what_is_there_stays(projects: Path) -> None:
    make_environment("pr-12", "dev", LATER)
    lose(projects, "pr-12", "data")
    before = {path: path.read_text() for path in projects.rglob("*.yaml")}
    [made] = make_environment("pr-12", "prod", None).files
    assert made == projects / "data/Pulumi.pr-12.yaml"
    assert {path: path.read_text() for path in projects.rglob("*.yaml") if path != made} == before
    written = stack_files.written("data", "pr-12")
    assert (written["txmon-data:expires"], written["txmon-data:protect"]) == (LATER.isoformat(), False)
    lose(projects, "pr-12", "data")
    with pytest.raises(TxmonError, match="which say whether it expires: leave out --expires"):
        make_environment("pr-12", "dev", LATER)


def test_an_environment_is_completed_with_its_own_suffix_and_region(projects: Path) -> None:
    make_environment("pr-12", "dev", None)
    for layer in LAYERS:
        change(projects, layer, "pr-12", environmentSuffix="twelve")
        path = projects / layer / "Pulumi.pr-12.yaml"
        path.write_text(path.read_text().replace("ap-northeast-1", "ap-northeast-3"))
    before = {layer: stack_files.written(layer, "pr-12") for layer in LAYERS}
    lose(projects, "pr-12", "network", "data")
    make_environment("pr-12", "dev", None)
    assert {layer: stack_files.written(layer, "pr-12") for layer in LAYERS} == before
    text = (projects / "data/Pulumi.pr-12.yaml").read_text()
    assert '  txmon-data:environmentSuffix: "twelve" # as in the other layers of pr-12\n' in text


def test_where_one_stack_file_cannot_be_written_none_is_left(projects: Path) -> None:
    before = sorted(projects.rglob("*"))
    (projects / "data/Pulumi.pr-12.yaml").symlink_to(projects / "no folder/file")
    with pytest.raises(OSError, match="No such file or directory"):
        make_environment("pr-12", "dev", None)
    assert sorted(projects.rglob("*")) == before


def test_the_local_environment_is_completed_with_its_salt(projects: Path) -> None:
    before = yaml.safe_load((projects / "network/Pulumi.local.yaml").read_text())
    lose(projects, "local", "network")
    make_environment("local", "dev", None)
    assert yaml.safe_load((projects / "network/Pulumi.local.yaml").read_text()) == before


def test_what_is_to_be_taken_over_has_to_be_there(projects: Path) -> None:
    lose(projects, "prod", "data")
    with pytest.raises(TxmonError, match=r"prod has no projects/data/Pulumi.prod.yaml: ./inv new-env prod"):
        make_environment("pr-12", "prod", None)
    with pytest.raises(TxmonError, match="prod has no projects/data"):
        make_environment("prod", "prod", None)
    assert not list(projects.rglob("Pulumi.pr-12.yaml"))


def test_a_layer_without_its_project_says_how_to_restore_it(projects: Path) -> None:
    (projects / "data/Pulumi.yaml").unlink()
    with pytest.raises(TxmonError, match=r"git checkout projects/data/Pulumi\.yaml"):
        environments.require_files("dev", LAYERS)


@pytest.mark.usefixtures("projects")
@pytest.mark.parametrize(
    ("text", "day"), [("3d", date(2026, 11, 27)), ("1d", date(2026, 11, 25)), ("2026-12-31", date(2026, 12, 31))]
)
def test_an_expiry_is_a_number_of_days_or_a_date(text: str, day: date) -> None:
    assert parse_expiry(text) == day


@pytest.mark.usefixtures("projects")
@pytest.mark.parametrize("text", ["0d", "2026-11-24", "2020-01-01"])
def test_an_expiry_has_to_be_after_today(text: str) -> None:
    with pytest.raises(TxmonError, match="has to be after today, 2026-11-24"):
        parse_expiry(text)


@pytest.mark.parametrize("text", ["", "3", "3 days", "-3d", "tomorrow", "2026-02-30", "99999d"])
def test_another_expiry_is_refused(text: str) -> None:
    with pytest.raises(TxmonError, match=r"is neither a number of days \(3d\) nor a date"):
        parse_expiry(text)


def test_environments_are_listed_with_their_expiry_and_what_to_do(projects: Path) -> None:
    make_environment("pr-12", "dev", LATER)
    make_environment("pr-11", "dev", TODAY)
    make_environment("local-a", "dev", None)
    found = {each.env: each for each in lifetimes()}
    assert list(found)[:2] == ["pr-11", "pr-12"]
    assert [each.env for each in found.values() if each.expired] == ["pr-11"]
    assert str(found["pr-11"]).startswith("pr-11 expired on 2026-11-24: ./inv destroy-all --env pr-11")
    assert {found[env].lives for env in ("local", "local-a")} == {"local cloud"}
    assert json.loads(new_environment.as_json(lifetimes()))[0] == {
        "environment": "pr-11",
        "lives_in": "AWS",
        "expires": "2026-11-24",
        "expired": True,
        "no_stack_file_in": [],
    }
    change(projects, "data", "pr-12", expires="2026-11-01")
    assert [each.env for each in lifetimes() if each.expired] == ["pr-12", "pr-11"]


def test_a_bad_expiry_in_a_stack_file_names_it(projects: Path) -> None:
    change(projects, "data", "dev", expires="soon")
    with pytest.raises(TxmonError, match=r"projects/data/Pulumi.dev.yaml: expires: 'soon' is no date"):
        lifetimes()


def test_everything_carries_the_expiry_as_a_tag(run_layer: Callable) -> None:
    for layer in LAYERS:
        run = run_layer(layer, "dev", config={"expires": "2026-12-01"})
        assert json.loads(run.one("pulumi:providers:aws")["defaultTags"])["tags"]["Expires"] == "2026-12-01"


@pytest.mark.usefixtures("projects")
def test_two_environments_differ_in_what_their_layers_take_defaults_included() -> None:
    found = {(each.layer, each.setting): each.values for each in settings.differences("dev", "prod")}
    assert found["data", "txmon-data:postgresInstanceClass"] == {"dev": "db.t3.micro", "prod": "db.m7g.large"}
    assert found["network", "txmon-network:endpointZones"] == {"dev": 1, "prod": 3}
    assert ("network", "txmon-network:vpcCidr") not in found
    assert ("network", "txmon-network:environmentSuffix") not in found
    assert settings.differences("dev", "local") == []


def test_a_suffix_a_region_and_a_secret_count_as_differences(projects: Path) -> None:
    change(projects, "data", "dev", environmentSuffix="development")
    change(projects, "monitoring", "dev", subscriptions=[{"protocol": "email", "endpoint": {"secure": "v1:abc"}}])
    path = projects / "network/Pulumi.dev.yaml"
    path.write_text(path.read_text().replace("aws:region: ap-northeast-1", "aws:region: ap-northeast-3"))
    found = {each.setting: each.values for each in settings.differences("dev", "local")}
    assert found["txmon-data:environmentSuffix"] == {"dev": "development", "local": None}
    assert found["aws:region"] == {"dev": "ap-northeast-3", "local": "ap-northeast-1"}
    assert found["txmon-monitoring:subscriptions"] == {"dev": settings.SECRET, "local": []}
    console = Console(width=200, markup=False)  # as the verbs print
    with console.capture() as captured:
        console.print(settings.as_table(settings.differences("dev", "local"), "dev", "local"))
    assert re.search(r"subscriptions +\[secret\] +\[\]", captured.get())


def test_two_secrets_count_as_a_difference_as_nobody_can_see_whether_they_are_one(projects: Path) -> None:
    for env in ("dev", "local"):
        change(projects, "monitoring", env, subscriptions={"secure": "v1:abc"})
    [found] = settings.differences("dev", "local")
    assert set(found.values.values()) == {settings.SECRET}


def test_a_setting_that_is_not_accepted_is_one_sentence(projects: Path) -> None:
    change(projects, "streaming", "dev", shardCount="many")
    with pytest.raises(TxmonError, match=r"projects/streaming/Pulumi.dev.yaml: shardCount: input should be"):
        settings.differences("dev", "prod")


def test_a_stack_file_that_is_broken_is_one_sentence(projects: Path) -> None:
    (projects / "network/Pulumi.dev.yaml").write_text("config: [")
    with pytest.raises(TxmonError, match=r"^projects/network/Pulumi\.dev\.yaml, line 2, is not YAML"):
        settings.differences("dev", "prod")


@pytest.mark.parametrize("day", ["2026-12-31", '"2026-12-31"'])
def test_an_expiry_is_the_same_day_with_and_without_quotes(projects: Path, day: str) -> None:
    with (projects / "network/Pulumi.dev.yaml").open("a") as file:
        file.write(f"  txmon-network:expires: {day}\n")
    assert [each.expires for each in lifetimes() if each.env == "dev"] == [date(2026, 12, 31)]
    [expiry] = settings.differences("dev", "local")
    assert expiry.values == {"dev": "2026-12-31", "local": None}


def test_a_key_that_nobody_reads_is_refused_where_environments_are_compared(projects: Path) -> None:
    path = projects / "network/Pulumi.dev.yaml"
    path.write_text(path.read_text().replace("txmon-network:protect", "txmon-netwrk:protect"))
    message = (
        r"^projects/network/Pulumi\.dev\.yaml: nothing reads txmon-netwrk:protect; did you mean 'txmon-network'\?$"
    )
    with pytest.raises(TxmonError, match=message):
        settings.differences("dev", "local")


def test_a_key_without_a_namespace_is_the_layers_own_as_the_engine_takes_it(projects: Path) -> None:
    path = projects / "network/Pulumi.dev.yaml"
    path.write_text(path.read_text().replace("txmon-network:protect", "protect"))
    assert settings.differences("dev", "local") == []
