"""Which environments the repository has, and which files they lack."""

from dataclasses import replace

import pytest

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.environments import (
    find_environment,
    known_environments,
    missing_files,
    require_files,
    without_stack_file,
)


def test_an_unknown_environment_names_the_nearest(monorepo: Monorepo) -> None:
    with pytest.raises(OrchestratorError, match="there is no environment 'pord'; did you mean 'prod'"):
        find_environment(monorepo, "pord")


def test_a_declared_environment_has_to_exist(monorepo: Monorepo) -> None:
    assert find_environment(replace(monorepo, declared_environments=["prod"]), "dev").name == "dev"
    with pytest.raises(OrchestratorError, match="there is no environment 'pord'; did you mean 'prod'"):
        find_environment(replace(monorepo, declared_environments=["prod", "pord"]), "dev")


def test_an_environment_with_some_stack_files_is_known_and_names_the_others(monorepo: Monorepo) -> None:
    for layer in ("store", "vault"):
        monorepo.stack_file(layer, "prod").unlink()
    assert known_environments(monorepo) == ["dev", "local", "prod"]
    assert find_environment(monorepo, "prod").name == "prod"
    assert without_stack_file(monorepo, "prod") == ["vault", "store"]
    assert missing_files(monorepo, "prod", ["base", "watch"]) is None
    assert missing_files(monorepo, "prod") == (
        "prod has no projects/vault/Pulumi.prod.yaml, projects/store/Pulumi.prod.yaml: "
        "./inv new-env prod --like ENV makes them, with the settings of ENV (dev or local)"
    )


def test_a_layer_without_its_project_says_how_to_restore_it(monorepo: Monorepo) -> None:
    monorepo.project_file("store").unlink()
    with pytest.raises(OrchestratorError, match=r"git checkout projects/store/Pulumi\.yaml"):
        require_files(monorepo, "dev", monorepo.layers)


def test_a_removed_layer_needs_no_files(monorepo: Monorepo) -> None:
    require_files(monorepo, "dev", ["archive", *monorepo.layers])
