"""Which layers a run works on."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.monorepo import GRAPH
from tools.orchestrator.model.errors import OrchestratorError, VerbEnd
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.selection import choose, one, select


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, {"base", "vault", "store", "watch"}),
        ({"only": "store"}, {"store"}),
        ({"only": "store, base"}, {"base", "store"}),
        ({"from_": "store"}, {"store", "watch"}),
        ({"from_": "base"}, {"base", "store", "watch"}),
        ({"from_": "base", "skip": "watch"}, {"base", "store"}),
        ({"skip": "store,vault"}, {"base", "watch"}),
    ],
)
def test_each_option_narrows_the_choice(monorepo: Monorepo, options: dict[str, str], chosen: set[str]) -> None:
    assert set(select(monorepo, **options)) == chosen


def test_the_choice_is_in_deploy_order(monorepo: Monorepo) -> None:
    order = monorepo.deploy_order
    assert select(monorepo, only=",".join(reversed(order))) == order


@pytest.mark.parametrize("option", ["only", "from_", "skip"])
def test_an_unknown_layer_names_the_nearest(monorepo: Monorepo, option: str) -> None:
    with pytest.raises(OrchestratorError, match="there is no layer 'vualt'; did you mean 'vault'"):
        select(monorepo, **{option: "store,vualt"})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"only": "store", "skip": "store"}, "--only 'store' --skip 'store' leaves no layer"),
        ({"only": "base", "from_": "store"}, "--only 'base' --from 'store' leaves no layer"),
        ({"only": ""}, "--only '' leaves no layer"),
    ],
    ids=["skipped", "contradicting", "empty"],
)
def test_names_that_leave_no_layer_are_refused(monorepo: Monorepo, options: dict[str, str], sentence: str) -> None:
    with pytest.raises(OrchestratorError) as refused:
        select(monorepo, **options)
    assert sentence in str(refused.value)
    assert "there are: base, vault" in str(refused.value)


def test_upstreams_outside_the_choice_are_known_with_their_readers(monorepo: Monorepo) -> None:
    assert monorepo.upstreams_outside(["store", "watch"]) == {"base": ["store", "watch"], "vault": ["store"]}
    assert monorepo.upstreams_outside(["watch"]) == {"base": ["watch"], "store": ["watch"]}
    assert monorepo.upstreams_outside(monorepo.deploy_order) == {}


def change_store(repository) -> None:
    repository.write("projects/store/cache.py", "new")


def test_a_change_narrows_the_choice(monorepo: Monorepo, repository) -> None:
    change_store(repository)
    assert choose(monorepo, "dev", since="main") == ["store", "watch"]
    assert choose(monorepo, "dev", since="main", skip="store") == ["watch"]
    assert choose(monorepo, "dev", only="base") == ["base"]


def test_settings_of_another_environment_do_not_narrow_the_choice(monorepo: Monorepo, repository) -> None:
    repository.write("projects/store/Pulumi.dev.yaml", "config: {}")
    assert choose(monorepo, "dev", since="main") == ["store", "watch"]
    with pytest.raises(VerbEnd):
        choose(monorepo, "prod", since="main")


def test_a_change_that_affects_no_chosen_layer_ends_the_verb_well(
    monorepo: Monorepo, repository, messages: list[str]
) -> None:
    change_store(repository)
    with pytest.raises(VerbEnd) as end:
        choose(monorepo, "dev", since="main", only="base")
    assert end.value.exit_code == 0
    assert messages == ["no layer is affected by the change since main: nothing to do"]


def choose_all(monorepo: Monorepo, **options: Any) -> list[str]:
    return choose(monorepo, "dev", **options)


def choose_store(monorepo: Monorepo) -> str:
    return one(monorepo, "dev", "store")


@pytest.mark.parametrize("choice", [choose_all, choose_store])
def test_a_chosen_layer_needs_its_stack_file(monorepo: Monorepo, choice: Callable[..., object]) -> None:
    monorepo.stack_file("store", "dev").unlink()
    sentence = r"dev has no projects/store/Pulumi\.dev\.yaml: ./inv new-env dev --like ENV"
    with pytest.raises(OrchestratorError, match=sentence):
        choice(monorepo)


def test_a_layer_that_is_not_chosen_may_lack_its_files(monorepo: Monorepo) -> None:
    monorepo.stack_file("store", "dev").unlink()
    assert choose_all(monorepo, skip="store") == [layer for layer in GRAPH if layer != "store"]
    assert one(monorepo, "dev", "base") == "base"


def test_one_layer_is_a_single_name(monorepo: Monorepo) -> None:
    with pytest.raises(OrchestratorError, match="there is no layer 'base,vault'; did you mean 'vault'"):
        one(monorepo, "dev", "base,vault")
