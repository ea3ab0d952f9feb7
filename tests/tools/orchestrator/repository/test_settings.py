"""The settings in which two environments differ."""

import pytest

from tests.support.monorepo import change_settings
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.settings import SECRET, Difference, differences

REGION = "aws:region: ap-northeast-1"


def test_defaults_count_and_equal_settings_do_not(monorepo: Monorepo) -> None:
    assert differences(monorepo, "dev", "prod") == []
    change_settings(monorepo, "store", "dev", size=2, protect=False)
    assert differences(monorepo, "dev", "prod") == [Difference("store", "shop-store:size", {"dev": 2, "prod": 1})]


def test_a_suffix_a_region_and_a_secret_are_differences(monorepo: Monorepo) -> None:
    change_settings(monorepo, "store", "dev", environmentSuffix="development")
    change_settings(monorepo, "watch", "dev", size={"secure": "v1:abc"})
    path = monorepo.stack_file("base", "dev")
    path.write_text(path.read_text().replace(REGION, "aws:region: ap-northeast-3"))
    assert {each.setting: each.values for each in differences(monorepo, "dev", "local")} == {
        "shop-store:environmentSuffix": {"dev": "development", "local": None},
        "aws:region": {"dev": "ap-northeast-3", "local": "ap-northeast-1"},
        "shop-watch:size": {"dev": SECRET, "local": 1},
    }


def test_two_secrets_are_a_difference_because_they_cannot_be_compared(monorepo: Monorepo) -> None:
    for env in ("dev", "local"):
        change_settings(monorepo, "watch", env, size={"secure": "v1:abc"})
    [found] = differences(monorepo, "dev", "local")
    assert set(found.values.values()) == {SECRET}


def test_both_environments_have_to_exist_with_all_stack_files(monorepo: Monorepo) -> None:
    with pytest.raises(OrchestratorError, match="there is no environment 'pord'; did you mean 'prod'"):
        differences(monorepo, "dev", "pord")
    monorepo.stack_file("vault", "prod").unlink()
    with pytest.raises(OrchestratorError, match="prod has no projects/vault"):
        differences(monorepo, "dev", "prod")


def test_a_setting_that_the_layer_does_not_accept_is_one_sentence(monorepo: Monorepo) -> None:
    change_settings(monorepo, "store", "dev", sise=2)
    sentence = r"^projects/store/Pulumi\.dev\.yaml: nothing reads shop-store:sise$"
    with pytest.raises(OrchestratorError, match=sentence):
        differences(monorepo, "dev", "prod")


def test_a_broken_stack_file_is_one_sentence(monorepo: Monorepo) -> None:
    monorepo.stack_file("base", "dev").write_text("config: [")
    with pytest.raises(OrchestratorError, match=r"^projects/base/Pulumi\.dev\.yaml, line 2, is not YAML"):
        differences(monorepo, "dev", "prod")


def test_a_key_without_a_namespace_is_the_layers_own(monorepo: Monorepo) -> None:
    monorepo.stack_file("base", "dev").write_text(f"config:\n  {REGION}\n  size: 2\n")
    monorepo.stack_file("base", "prod").write_text(f"config:\n  {REGION}\n  shop-base:size: 2\n")
    assert differences(monorepo, "dev", "prod") == []
