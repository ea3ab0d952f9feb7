"""txmon's committed environments, and new ones like them."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.support.monorepo import change_settings
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.new_environment import create
from tools.orchestrator.repository.settings import SECRET, differences, effective
from tools.orchestrator.repository.stack_files import require_readable
from tools.txmon.monorepo import MONOREPO

LATER = date(2026, 12, 1)


@pytest.fixture
def monorepo(tmp_path: Path) -> Monorepo:
    """Return the monorepo with a copy of the committed project and stack files."""
    for layer in MONOREPO.layers:
        (tmp_path / "projects" / layer).mkdir(parents=True)
        for file in (MONOREPO.projects / layer).glob("Pulumi*.yaml"):
            if file.name in {"Pulumi.yaml", "Pulumi.local.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml"}:
                shutil.copy(file, tmp_path / "projects" / layer)
    return replace(MONOREPO, root=tmp_path)


@pytest.mark.parametrize("like", ["dev", "prod"])
def test_a_new_environment_has_the_settings_of_the_other(monorepo: Monorepo, like: str) -> None:
    create(monorepo, "pr-12", like, None)
    require_readable(monorepo, "pr-12")
    assert [found.setting for found in differences(monorepo, like, "pr-12")] == ["txmon-network:vpcCidr"]


@pytest.mark.parametrize("like", ["dev", "prod"])
def test_every_layer_accepts_the_settings_of_an_environment_that_expires(monorepo: Monorepo, like: str) -> None:
    create(monorepo, "pr-12", like, LATER)
    for layer in monorepo.layers:
        settings = effective(monorepo, layer, "pr-12")
        assert (settings[f"txmon-{layer}:expires"], settings[f"txmon-{layer}:protect"]) == ("2026-12-01", False)
        lines = monorepo.stack_file(layer, "pr-12").read_text().splitlines()
        assert all("#" in line for line in lines if line.startswith("  txmon-"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("PR-12", "an environment cannot have this name: 'PR-12' must be lower-case letters"),
        ("pr--12", "must be lower-case letters, digits and single hyphens"),
        ("../x", "must be lower-case letters"),
        ("", "must be lower-case letters"),
        ("a" * 60, "has 60 characters; at most"),
        ("dev", "there is an environment 'dev' already, with a stack file in every layer"),
    ],
)
def test_a_refused_name_creates_nothing(monorepo: Monorepo, name: str, sentence: str) -> None:
    before = sorted(monorepo.root.rglob("*"))
    with pytest.raises(OrchestratorError) as refused:
        create(monorepo, name, "dev", None)
    assert sentence in str(refused.value)
    assert sorted(monorepo.root.rglob("*")) == before


def test_the_local_environment_is_completed_as_committed(monorepo: Monorepo) -> None:
    before = effective(monorepo, "network", "local"), salt(monorepo)
    monorepo.stack_file("network", "local").unlink()
    create(monorepo, "local", "dev", None)
    assert (effective(monorepo, "network", "local"), salt(monorepo)) == before


def salt(monorepo: Monorepo) -> str:
    [line] = [
        line
        for line in monorepo.stack_file("network", "local").read_text().splitlines()
        if line.startswith("encryptionsalt: ")
    ]
    return line


def test_dev_and_prod_differ_with_the_defaults_included(monorepo: Monorepo) -> None:
    found = {(each.layer, each.setting): each.values for each in differences(monorepo, "dev", "prod")}
    assert found["data", "txmon-data:postgresInstanceClass"] == {"dev": "db.t3.micro", "prod": "db.m7g.large"}
    assert found["network", "txmon-network:endpointZones"] == {"dev": 1, "prod": 3}
    assert ("network", "txmon-network:vpcCidr") not in found
    assert ("network", "txmon-network:environmentSuffix") not in found


def test_dev_and_local_have_the_same_settings(monorepo: Monorepo) -> None:
    assert differences(monorepo, "dev", "local") == []


def test_a_list_with_a_secret_is_a_difference(monorepo: Monorepo) -> None:
    secret = [{"protocol": "email", "endpoint": {"secure": "v1:abc"}}]
    change_settings(monorepo, "monitoring", "dev", subscriptions=secret)
    [found] = differences(monorepo, "dev", "local")
    assert (found.setting, found.values) == ("txmon-monitoring:subscriptions", {"dev": SECRET, "local": []})


@pytest.mark.parametrize("day", ["2026-12-31", '"2026-12-31"'])
def test_an_expiry_is_the_same_with_and_without_quotes(monorepo: Monorepo, day: str) -> None:
    with monorepo.stack_file("network", "dev").open("a") as file:
        file.write(f"  txmon-network:expires: {day}\n")
    [expiry] = differences(monorepo, "dev", "local")
    assert expiry.values == {"dev": "2026-12-31", "local": None}


def test_a_value_that_the_layer_does_not_accept_is_one_sentence(monorepo: Monorepo) -> None:
    change_settings(monorepo, "streaming", "dev", shardCount="many")
    sentence = r"projects/streaming/Pulumi.dev.yaml: shardCount: input should be"
    with pytest.raises(OrchestratorError, match=sentence):
        differences(monorepo, "dev", "prod")


def test_a_key_that_nothing_reads_is_refused(monorepo: Monorepo) -> None:
    path = monorepo.stack_file("network", "dev")
    path.write_text(path.read_text().replace("txmon-network:protect", "txmon-netwrk:protect"))
    sentence = (
        r"^projects/network/Pulumi\.dev\.yaml: nothing reads txmon-netwrk:protect; did you mean 'txmon-network'\?$"
    )
    with pytest.raises(OrchestratorError, match=sentence):
        differences(monorepo, "dev", "local")


def test_a_key_without_a_namespace_is_the_layers_own(monorepo: Monorepo) -> None:
    path = monorepo.stack_file("network", "dev")
    path.write_text(path.read_text().replace("txmon-network:protect", "protect"))
    assert differences(monorepo, "dev", "local") == []


@pytest.mark.parametrize("layer", MONOREPO.layers)
def test_every_resource_has_the_expiry_as_a_tag(run_layer: Callable, layer: str) -> None:
    run = run_layer(layer, "dev", config={"expires": "2026-12-01"})
    assert json.loads(run.one("pulumi:providers:aws")["defaultTags"])["tags"]["Expires"] == "2026-12-01"
