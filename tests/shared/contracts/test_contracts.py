"""What a layer may export, and how a reader learns that an upstream layer breaks its contract."""

import json
from dataclasses import dataclass, fields, make_dataclass
from typing import Annotated, Any, ClassVar

import pulumi
import pytest
from pulumi import Output
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.rpc import UNKNOWN
from pulumi.runtime.stack import get_root_resource, set_root_resource

from shared.contracts import CONTRACTS, Contract, NetworkContract, SecurityContract
from shared.contracts.output_spec import OutputSpec
from shared.environments import environment
from shared.graph import PLANNED_OUTPUTS
from shared.names import Names
from shared.stack import StackContext


class Upstream(Mocks):
    """The stack that is read, with these outputs."""

    def __init__(self, outputs: dict[str, Any], secret: list[str]) -> None:
        self.outputs = outputs
        self.secret = secret
        self.name = ""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.name = args.inputs["name"]
        return args.name, {"outputs": self.outputs, "secretOutputNames": self.secret}

    def call(self, args: MockCallArgs) -> dict[str, Any]:
        raise AssertionError(args.token)


def reader(suffix: str = "dev") -> StackContext:
    names = Names(suffix)
    return StackContext(
        name="data", environment=environment("dev"), region="ap-northeast-1", names=names, protect=False
    )


def read(
    contract: type[Contract],
    changes: dict[str, Any] | None = None,
    *,
    without: tuple[str, ...] = (),
    secret: tuple[str, ...] = (),
    preview: bool = False,
) -> dict[str, Any]:
    """Return what a program reads if the contract's example is deployed with changes; None for an unknown output."""
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
def test_a_reader_gets_what_the_layer_exported(contract: type[Contract]) -> None:
    common = {"contract_version", "region", "environment_suffix"}
    assert read(contract) == {k: v for k, v in contract.example().items() if k not in common}


def test_a_whole_number_arrives_as_an_int() -> None:
    assert type(read(SecurityContract)["db_credentials_version"]) is int


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_preview_warns_of_an_undeployed_layer_and_treats_it_as_unknown(
    contract: type[Contract], caplog: pytest.LogCaptureFixture
) -> None:
    seen = read(contract, without=tuple(contract.example()), preview=True)
    for name, value in seen.items():
        length = contract.outputs()[name].length
        assert value == (None if length is None else [None] * length), name
    [warning] = caplog.messages
    assert warning == f"{contract.layer} is not deployed in dev: what depends on it is unknown in this preview"


def test_a_preview_knows_deployed_outputs_although_others_are_missing(caplog: pytest.LogCaptureFixture) -> None:
    seen = read(NetworkContract, without=("vpc_id",), preview=True)
    assert seen["vpc_id"] is None
    assert seen["vpc_cidr"] == "10.0.0.0/16"
    assert caplog.messages == ["network lacks vpc_id: what depends on it is unknown in this preview"]


def test_a_preview_reads_planned_outputs_and_an_update_deployed_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subnets = ["subnet-1", UNKNOWN, "subnet-3"]
    planned = {"vpc_id": UNKNOWN, "vpc_cidr": "10.1.0.0/16", "private_subnet_ids": subnets}
    monkeypatch.setenv(PLANNED_OUTPUTS, json.dumps({"network": NetworkContract.example() | planned}))
    seen = read(NetworkContract, preview=True)
    assert seen["private_subnet_ids"] == ["subnet-1", None, "subnet-3"]
    assert (seen["vpc_id"], seen["vpc_cidr"]) == (None, "10.1.0.0/16")
    assert read(NetworkContract)["vpc_cidr"] == "10.0.0.0/16"


def test_an_update_names_a_missing_output_and_the_command_to_run() -> None:
    assert refusal(NetworkContract, without=("vpc_id",)) == (
        "data reads network's output 'vpc_id', but it is missing; deploy that layer: ./inv up network --env dev"
    )


def test_an_output_without_a_value_is_missing() -> None:
    assert "'vpc_id', but it is missing" in refusal(NetworkContract, {"vpc_id": None})


def test_an_update_names_all_missing_outputs() -> None:
    assert "outputs 'vpc_cidr', 'vpc_id', but they are missing; deploy that layer: ./inv up network" in refusal(
        NetworkContract, without=("vpc_id", "vpc_cidr")
    )


def test_an_update_names_an_undeployed_layer_and_the_command_to_run() -> None:
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
def test_a_layer_in_another_region_is_refused_naming_both_regions(preview: bool) -> None:
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
        ({"private_subnet_ids": 7}, "output 'private_subnet_ids', but it breaks the contract: input should"),
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


def test_a_fraction_is_refused_where_an_int_is_expected() -> None:
    assert "valid integer" in refusal(SecurityContract, {"db_credentials_version": 1.5})


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_layer_cannot_export_another_type(contract: type[Contract]) -> None:
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


SPEC = OutputSpec("Its ports.", [5432, 6379])


def test_type_and_length_of_an_output_follow_from_annotation_and_example() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Ports(Contract):
        layer: ClassVar[str] = "ports"
        fixed: Annotated[list[Output[int]], SPEC]
        free: Annotated[Output[list[int]], SPEC]

    specs = Ports.outputs()
    assert list(specs) == ["fixed", "free", "contract_version", "region", "environment_suffix"]
    assert {(specs[name].type_name, specs[name].length) for name in ("fixed", "free")} == {
        ("list[int]", 2),
        ("list[int]", None),
    }
    assert specs["fixed"].fault([1]) == "list should have at least 2 items after validation, not 1"
    assert specs["free"].fault([1]) is None


@pytest.mark.parametrize(
    "annotation", [int, Annotated[int, SPEC], Annotated[list[int], SPEC], Annotated[Output[int], "no spec"]]
)
def test_a_field_that_is_no_output_with_a_spec_is_refused(annotation: Any) -> None:
    contract = make_dataclass("Ports", [("port", annotation)], bases=(Contract,), frozen=True, kw_only=True)
    with pytest.raises(TypeError, match=r"Ports\.port has to be Annotated\[Output\[T\], OutputSpec"):
        contract.outputs()
