"""What a layer may export, and what a reader learns when an upstream layer breaks its contract."""

import json
from dataclasses import fields
from typing import Any

import pulumi
import pytest
from pulumi import Output
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.rpc import UNKNOWN
from pulumi.runtime.stack import get_root_resource, set_root_resource

from shared.contracts import CONTRACTS, Contract, NetworkContract, SecurityContract
from shared.environments import environment
from shared.graph import PLANNED_OUTPUTS
from shared.names import Names
from shared.stack import Layer


class Upstream(Mocks):
    """A stack with these outputs, to be referenced."""

    def __init__(self, outputs: dict[str, Any], secret: list[str]) -> None:
        self.outputs = outputs
        self.secret = secret
        self.name = ""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.name = args.inputs["name"]
        return args.name, {"outputs": self.outputs, "secretOutputNames": self.secret}

    def call(self, args: MockCallArgs) -> dict[str, Any]:
        raise AssertionError(args.token)


def reader(suffix: str = "dev") -> Layer:
    names = Names(suffix)
    return Layer(name="data", environment=environment("dev"), region="ap-northeast-1", names=names, protect=False)


def read(
    contract: type[Contract],
    changes: dict[str, Any] | None = None,
    *,
    without: tuple[str, ...] = (),
    secret: tuple[str, ...] = (),
    preview: bool = False,
) -> dict[str, Any]:
    """What a program sees that reads the contract's example, changed so; unknown outputs as None."""
    outputs = {k: v for k, v in {**contract.example(), **(changes or {})}.items() if k not in without}
    seen: dict[str, Any] = {}
    upstream = Upstream(outputs, list(secret))
    set_root_resource(None)
    set_mocks(upstream, project="txmon-data", stack="dev", organization="organization", preview=preview)

    async def known(output: Any) -> Any:
        if isinstance(output, list):
            return [await known(element) for element in output]
        return await output.future() if await output.is_known() else None

    @pulumi.runtime.test
    def program() -> Output[Any]:
        for name, output in vars(contract.read(reader())).items():
            seen[name] = known(output)
        return Output.all(**seen).apply(seen.update)

    program()
    assert upstream.name == f"organization/txmon-{contract.layer}/dev"
    return seen


def refusal(contract: type[Contract], changes: dict[str, Any] | None = None, **how: Any) -> str:
    with pytest.raises(pulumi.RunError) as refused:
        read(contract, changes, **how)
    return str(refused.value)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_reader_sees_what_the_layer_exported(contract: type[Contract]) -> None:
    common = {"contract_version", "region", "environment_suffix"}
    assert read(contract) == {k: v for k, v in contract.example().items() if k not in common}


def test_whole_numbers_arrive_as_such() -> None:
    assert type(read(SecurityContract)["db_credentials_version"]) is int


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_in_a_preview_a_layer_that_is_not_deployed_is_unknown_and_the_reader_is_warned(
    contract: type[Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    seen = read(contract, without=tuple(contract.example()), preview=True)
    for name, value in seen.items():
        length = contract.outputs()[name].length
        assert value == (None if length is None else [None] * length), name
    [warning] = warnings
    assert warning == f"{contract.layer} is not deployed in dev: what depends on it is unknown in this preview"


def test_in_a_preview_what_is_deployed_is_known_beside_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    seen = read(NetworkContract, without=("vpc_id",), preview=True)
    assert seen["vpc_id"] is None
    assert seen["vpc_cidr"] == "10.0.0.0/16"
    assert warnings == ["network lacks vpc_id: what depends on it is unknown in this preview"]


def test_a_preview_reads_what_the_preview_of_the_layer_has_planned_and_an_update_what_is_deployed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subnets = ["subnet-1", UNKNOWN, "subnet-3"]
    planned = {"vpc_id": UNKNOWN, "vpc_cidr": "10.1.0.0/16", "private_subnet_ids": subnets}
    monkeypatch.setenv(PLANNED_OUTPUTS, json.dumps({"network": NetworkContract.example() | planned}))
    seen = read(NetworkContract, preview=True)
    assert seen["private_subnet_ids"] == ["subnet-1", None, "subnet-3"]
    assert (seen["vpc_id"], seen["vpc_cidr"]) == (None, "10.1.0.0/16")
    assert read(NetworkContract)["vpc_cidr"] == "10.0.0.0/16"


def test_an_update_says_which_output_is_missing_and_the_command_that_mends_it() -> None:
    assert refusal(NetworkContract, without=("vpc_id",)) == (
        "data reads network's output 'vpc_id', but it is missing; deploy that layer: ./inv up network --env dev"
    )


def test_an_output_without_a_value_is_missing() -> None:
    assert "'vpc_id', but it is missing" in refusal(NetworkContract, {"vpc_id": None})


def test_an_update_names_all_missing_outputs() -> None:
    assert "outputs 'vpc_cidr', 'vpc_id', but they are missing; deploy that layer: ./inv up network" in refusal(
        NetworkContract, without=("vpc_id", "vpc_cidr")
    )


def test_an_update_over_a_layer_that_is_not_deployed_says_so() -> None:
    assert refusal(NetworkContract, without=tuple(NetworkContract.example())) == (
        "data reads network, which is not deployed in dev; deploy that layer: ./inv up network --env dev"
    )


def test_a_secret_output_is_refused_and_not_shown() -> None:
    told = refusal(SecurityContract, {"db_secret_arn": "hunter2"}, secret=("db_secret_arn",))
    assert "output 'db_secret_arn', but it is secret, which a contract forbids" in told
    assert "hunter2" not in told


def test_another_version_of_the_contract_is_refused() -> None:
    assert "output 'contract_version' as 1, but it is 2" in refusal(NetworkContract, {"contract_version": 2})


def test_another_suffix_is_refused() -> None:
    assert "output 'environment_suffix' as 'dev', but it is 'prod'" in refusal(
        NetworkContract, {"environment_suffix": "prod"}
    )


@pytest.mark.parametrize("preview", [False, True])
def test_a_layer_of_another_region_is_refused_and_both_regions_are_told(preview: bool) -> None:
    assert refusal(NetworkContract, {"region": "ap-northeast-3"}, preview=preview) == (
        "projects/data/Pulumi.dev.yaml: aws:region: 'ap-northeast-1', but network, which data reads, is in"
        " ap-northeast-3; an environment has one region: write it into the stack file of every layer, then"
        " ./inv deploy-all --env dev"
    )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"vpc_id": 7}, "output 'vpc_id', but it breaks the contract: input should be a valid string"),
        (
            {"endpoint_ids": {"s3": 1}},
            "output 'endpoint_ids', but it breaks the contract: input should be a valid str",
        ),
        ({"private_subnet_ids": "subnet-1"}, "output 'private_subnet_ids', but it breaks the contract: input should"),
        (
            {"private_subnet_ids": ["subnet-1", "subnet-2"]},
            "output 'private_subnet_ids', but it breaks the contract: list should have at least 3 items",
        ),
        (
            {"private_subnet_ids": ["subnet-1", "subnet-2", "subnet-3", "subnet-4"]},
            "output 'private_subnet_ids', but it breaks the contract: list should have at most 3 items",
        ),
    ],
)
def test_an_output_of_another_type_or_length_is_refused(changes: dict[str, Any], fault: str) -> None:
    told = refusal(NetworkContract, changes)
    assert fault in told
    assert told.endswith("deploy that layer: ./inv up network --env dev")


def test_half_a_number_is_no_whole_number() -> None:
    assert "valid integer" in refusal(SecurityContract, {"db_credentials_version": 1.5})


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_layer_that_exports_another_type_fails_itself(contract: type[Contract]) -> None:
    own_names = [field.name for field in fields(contract)]

    def exported(changes: dict[str, Any]) -> Any:
        specs = contract.outputs()
        own = {k: v for k, v in contract.example().items() if k in own_names}
        values = {
            name: value if specs[name].length is None else list(map(Output.from_input, value))
            for name, value in {**own, **changes}.items()
        }
        set_root_resource(None)
        set_mocks(Upstream({}, []), project=f"txmon-{contract.layer}", stack="dev", organization="organization")
        pulumi.runtime.set_all_config({"aws:region": "ap-northeast-1"})

        @pulumi.runtime.test
        def program() -> Output[Any]:
            contract(**values).export(reader())
            return Output.all(**get_root_resource().outputs).apply(seen.update)

        seen: dict[str, Any] = {}
        program()
        return seen

    assert exported({}) == contract.example()
    first = next(name for name in own_names if contract.outputs()[name].type is str)
    with pytest.raises(pulumi.RunError, match=f"{contract.layer} exports {first}, but it breaks the contract"):
        exported({first: Output.from_input(7)})
