"""Every committed stack file, read with the settings class of its layer."""

import re
from typing import Any

import pytest
import yaml

from shared.environments import PROJECTS, stack_file
from shared.graph import LAYERS, project
from tools.orchestrator.repository.environments import known_environments
from tools.txmon.layers import config_class
from tools.txmon.monorepo import MONOREPO

STACK_FILES = sorted(PROJECTS.glob("*/Pulumi.*.yaml"))

every_layer = pytest.mark.parametrize("layer", LAYERS)


def settings(layer: str, env: str) -> dict[str, Any]:
    """Return the layer's own settings by key, and `aws:region`."""
    config = yaml.safe_load(stack_file(layer, env).read_text())["config"]
    return {key.removeprefix(f"{project(layer)}:"): value for key, value in config.items()}


@pytest.mark.parametrize("path", STACK_FILES, ids=[f"{p.parent.name}-{p.name}" for p in STACK_FILES])
def test_every_setting_of_a_stack_file_is_valid(path: Any) -> None:
    layer, env = path.parent.name, path.name.split(".")[1]
    own = settings(layer, env)
    assert own.pop("aws:region") == "ap-northeast-1"
    config_class(layer).parse({"environmentSuffix": env, **own}, str(path))


def test_local_dev_and_prod_have_stack_files_in_every_layer() -> None:
    assert {"local", "dev", "prod"} <= set(known_environments(MONOREPO))


@every_layer
def test_local_has_the_settings_of_dev(layer: str) -> None:
    parse = config_class(layer).parse
    local, dev = (settings(layer, env) | {"environmentSuffix": "same"} for env in ("local", "dev"))
    assert local.pop("aws:region") == dev.pop("aws:region")
    assert parse(local, "local") == parse(dev, "dev")


@every_layer
def test_a_stack_file_has_only_settings_that_differ_from_defaults(layer: str) -> None:
    schema = config_class(layer)
    defaults = schema.parse({"environmentSuffix": "same"}, "defaults").model_dump(by_alias=True)
    for env in ("local", "dev", "prod"):
        own = settings(layer, env) | {"environmentSuffix": "same"}
        own.pop("aws:region")
        meant = schema.parse(own, env).model_dump(by_alias=True)
        assert not [key for key in own if key != "environmentSuffix" and meant[key] == defaults[key]], env


@pytest.mark.parametrize("path", STACK_FILES, ids=[f"{p.parent.name}-{p.name}" for p in STACK_FILES])
def test_every_setting_has_a_comment_with_its_reason(path: Any) -> None:
    own = [line for line in path.read_text().splitlines() if re.match(r"\s+txmon-", line)]
    assert not [line for line in own if "#" not in line]


@every_layer
def test_a_project_is_named_after_its_layer(layer: str) -> None:
    definition = yaml.safe_load((PROJECTS / layer / "Pulumi.yaml").read_text())
    assert definition["name"] == project(layer)
    assert definition["runtime"] == {"name": "python", "options": {"virtualenv": "../../.venv"}}
    assert "config" not in definition
