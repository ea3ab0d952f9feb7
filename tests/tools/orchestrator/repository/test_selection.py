from collections.abc import Callable

import pytest
from shared.errors import Ended, TxmonError

from shared import environments
from shared.graph import deploy_order
from tools.orchestrator.repository import selection
from tools.orchestrator.repository.affected import Affected
from tools.orchestrator.repository.selection import choose, one, relied_on, select


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, {"network", "security", "streaming", "data", "monitoring"}),
        ({"only": "data"}, {"data"}),
        ({"only": "data, network"}, {"network", "data"}),
        ({"from_": "streaming"}, {"streaming", "monitoring"}),
        ({"from_": "network"}, {"network", "data", "monitoring"}),
        ({"from_": "network", "skip": "monitoring"}, {"network", "data"}),
        ({"skip": "data,security"}, {"network", "streaming", "monitoring"}),
    ],
)
def test_each_option_narrows_the_choice(options: dict, chosen: set[str]) -> None:
    assert set(select(**options)) == chosen


def test_the_choice_is_in_the_order_of_deployment() -> None:
    order = deploy_order()
    assert select(only=",".join(reversed(order))) == order


@pytest.mark.parametrize("option", ["only", "from_", "skip"])
def test_an_unknown_layer_names_the_nearest(option: str) -> None:
    with pytest.raises(TxmonError, match="there is no layer 'netwrok'; did you mean 'network'"):
        select(**{option: "data,netwrok"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"only": "data", "skip": "data"}, "--only 'data' --skip 'data' leaves no layer"),
        ({"only": "network", "from_": "data"}, "--only 'network' --from 'data' leaves no layer"),
        ({"only": ""}, "--only '' leaves no layer"),
    ],
    ids=["skipped", "contradicting", "empty"],
)
def test_names_that_leave_no_layer_are_a_mistake(options: dict, said: str) -> None:
    with pytest.raises(TxmonError) as refused:
        select(**options)
    assert said in str(refused.value)
    assert "there are: network, security" in str(refused.value)


def test_what_is_read_from_outside_the_choice_is_known() -> None:
    assert relied_on(["streaming", "monitoring"]) == {
        "network": ["monitoring"],
        "security": ["streaming", "monitoring"],
        "data": ["monitoring"],
    }
    assert relied_on(deploy_order()) == {}


def chosen(monkeypatch: pytest.MonkeyPatch, **options: str) -> list[str]:
    """The choice when the change since `main` affects data and monitoring."""
    known = {("main", "dev"): Affected({"data": ["a file"], "monitoring": ["depends on data"]}, [])}
    monkeypatch.setattr(selection, "affected", lambda base, env: known[base, env])
    said: list[str] = []
    nothing = dict.fromkeys(("only", "from_", "skip", "since"))
    try:
        return choose("dev", said.append, **{**nothing, **options})
    except Ended as end:
        return [str(end.code), *said]


def test_a_change_narrows_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, since="main") == ["data", "monitoring"]
    assert chosen(monkeypatch, since="main", skip="data") == ["monitoring"]
    assert chosen(monkeypatch, only="network") == ["network"]


def test_a_change_that_affects_nothing_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, since="main", only="network") == [
        "0",
        "no layer is affected by the change since main: nothing to do",
    ]


def without_a_stack_file(monkeypatch: pytest.MonkeyPatch, layer: str) -> None:
    path = environments.stack_file
    monkeypatch.setattr(
        environments, "stack_file", lambda name, env: path(name, "gone" if (name, env) == (layer, "dev") else env)
    )


@pytest.mark.parametrize("choice", [lambda env: choose(env, print), lambda env: one(env, "data")])
def test_every_choice_is_of_an_environment_that_has_the_files_for_it(
    monkeypatch: pytest.MonkeyPatch, choice: Callable[[str], object]
) -> None:
    with pytest.raises(TxmonError, match="there is no environment 'deb'; did you mean 'dev'"):
        choice("deb")
    without_a_stack_file(monkeypatch, "data")
    with pytest.raises(TxmonError, match=r"dev has no projects/data/Pulumi\.\w+\.yaml: ./inv new-env dev --like ENV"):
        choice("dev")


def test_a_layer_that_is_not_chosen_may_lack_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    without_a_stack_file(monkeypatch, "data")
    assert choose("dev", print, skip="data") == ["network", "security", "streaming", "monitoring"]
    assert one("dev", "network") == "network"


def test_one_layer_is_one_that_there_is() -> None:
    with pytest.raises(TxmonError, match="there is no layer 'network,data'; did you mean 'network'"):
        one("dev", "network,data")
