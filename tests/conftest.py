"""Run a layer's program with its committed stack file under Pulumi's mocks, with upstream outputs from contracts."""

import asyncio
import gc
import json
import os
import runpy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pulumi
import pytest
import yaml
from pulumi import Output
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, set_all_config, set_mocks
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.stack import get_root_resource, set_root_resource

from shared.contracts import CONTRACTS
from shared.environments import stack_file
from shared.graph import project
from tests.support.pulumi_wire import is_secret
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.locks import EnvironmentLock

COMPUTED: dict[str, Callable[[MockResourceArgs], dict[str, Any]]] = {
    "aws:kms/key:Key": lambda args: {"keyId": f"{args.name}-id"},
    "aws:iam/role:Role": lambda args: {"uniqueId": f"AROA-{args.name}"},
    "aws:ec2/vpcEndpoint:VpcEndpoint": lambda _: {"prefixListId": "pl-s3"},
    "aws:kinesis/stream:Stream": lambda args: {
        "arn": f"arn:aws:kinesis:ap-northeast-1:123456789012:stream/{args.name}"
    },
    "aws:sqs/queue:Queue": lambda args: {"url": f"https://sqs.ap-northeast-1.amazonaws.com/123456789012/{args.name}"},
    "aws:lambda/function:Function": lambda args: {
        "arn": f"arn:aws:lambda:ap-northeast-1:123456789012:function:{args.name}"
    },
    "aws:lambda/invocation:Invocation": lambda _: {"result": json.dumps({"schema_version": 1, "applied": []})},
    "aws:lambda/eventSourceMapping:EventSourceMapping": lambda _: {"uuid": "91eaeb7e-c976-1234-9451-8709db01f137"},
    "aws:rds/instance:Instance": lambda args: {
        "address": f"{args.inputs['identifier']}.abc123.ap-northeast-1.rds.amazonaws.com",
        "endpoint": f"{args.inputs['identifier']}.abc123.ap-northeast-1.rds.amazonaws.com:5432",
        "resourceId": "db-ABCDEFGHIJKLMNOP",
        "masterUserSecrets": [{"secretArn": "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds!db-1"}],
    },
    "aws:elasticache/replicationGroup:ReplicationGroup": lambda args: {
        "primaryEndpointAddress": f"master.{args.inputs['replicationGroupId']}.abc123.apne1.cache.amazonaws.com",
        "readerEndpointAddress": f"replica.{args.inputs['replicationGroupId']}.abc123.apne1.cache.amazonaws.com",
        "memberClusters": [f"{args.inputs['replicationGroupId']}-00{node}" for node in (2, 1)],
    },
}
"""By type token: outputs that AWS computes. Every resource also gets an `arn` and a `name`."""

DEPLOYED: dict[tuple[str, str], dict[str, Any]] = {
    # In production RDS manages the master password, so security has no secret for it.
    ("security", "prod"): {"db_secret_arn": "", "db_credentials_version": 0},
}
"""By layer and environment: upstream outputs that differ from the example of the contract."""


class NotFoundError(grpc.RpcError):
    """The engine's error if AWS does not have the requested resource."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return f"invocation of {self.args[0]} returned an error: couldn't find resource"


@dataclass
class Run(Mocks):
    """One run of a layer's program: what it registered, read, called and exported."""

    layer: str
    env: str
    upstream: dict[str, dict[str, Any]]
    answers: dict[str, dict[str, Any] | None]
    resources: list[MockResourceArgs] = field(default_factory=list)
    calls: list[MockCallArgs] = field(default_factory=list)
    reads: set[str] = field(default_factory=set)
    exports: dict[str, Any] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)
    retained: set[str] = field(default_factory=set)
    secret_inputs: set[tuple[str, str]] = field(default_factory=set)
    waits_for: dict[str, set[str]] = field(default_factory=dict)
    uses: dict[tuple[str, str], dict[str, frozenset[tuple[str, str]]]] = field(default_factory=dict)
    """By type and name of a resource: input -> the resources that it depends on."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            layer = args.inputs["name"].split("/")[1].removeprefix("txmon-")
            self.reads.add(layer)
            return args.name, {"outputs": self.upstream[layer], "secretOutputNames": []}
        self.resources.append(args)
        defaults = {"arn": f"arn:aws:test:ap-northeast-1:123456789012:{args.name}", "name": args.name}
        computed = COMPUTED.get(args.typ, lambda _: {})(args)
        return f"{args.name}-id", {**defaults, **args.inputs, **computed}

    def call(self, args: MockCallArgs) -> dict[Any, Any]:  # noqa: PLR0911 (a case a function)
        self.calls.append(args)
        if args.token in self.answers:
            answer = self.answers[args.token]
            if answer is None:
                raise NotFoundError(args.token)
            return answer
        match args.token:
            case "aws:index/getCallerIdentity:getCallerIdentity":
                return {
                    "accountId": "123456789012",
                    "arn": "arn:aws:iam::123456789012:root",
                    "id": "1",
                    "userId": "u",
                }
            case "aws:index/getAvailabilityZones:getAvailabilityZones":
                region = pulumi.Config("aws").require("region")
                return {"names": [f"{region}{letter}" for letter in ("a", "b", "c", "d", "-tpe-1a")]}
            case "aws:kinesis/getStream:getStream":
                return {"name": args.args["name"], "creationTimestamp": 1795000000}
            case "aws:secretsmanager/getRandomPassword:getRandomPassword":
                return {"randomPassword": "a-random-password-of-32-letters!"}
            case "aws:secretsmanager/getSecretVersion:getSecretVersion":
                return {"secretString": json.dumps({"username": "txadmin", "password": "from-the-secret"})}
            case "aws:secretsmanager/getSecret:getSecret":
                return {
                    "arn": f"arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:{args.args['name']}-a1B2c3"
                }
        raise AssertionError(f"the mocks do not know the function {args.token}")

    def all(self, token: str) -> list[MockResourceArgs]:
        """Return the registered resources of a type, as `aws:kinesis/stream:Stream`."""
        return [resource for resource in self.resources if resource.typ == token]

    def one(self, token: str, name: str | None = None) -> dict[str, Any]:
        """Return the inputs of the only resource of a type, or of a type and logical name."""
        [resource] = [r for r in self.all(token) if name in (None, r.name)]
        return dict(resource.inputs)


class Monitor(MockMonitor):
    """A monitor that records what mocks do not see: protection, dependencies and secret inputs."""

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        if request.protect:
            self.mocks.protected.add(request.name)
        if request.retainOnDelete:
            self.mocks.retained.add(request.name)
        self.mocks.waits_for[request.name] = {urn.rpartition("::")[2] for urn in request.dependencies}
        self.mocks.uses[request.type, request.name] = {
            key: frozenset(map(type_and_name, used.urns)) for key, used in request.propertyDependencies.items()
        }
        for name, value in request.object.fields.items():
            if is_secret(value):
                self.mocks.secret_inputs.add((request.name, name))
        return super().RegisterResource(request)


def type_and_name(urn: str) -> tuple[str, str]:
    """Return the type and logical name in a URN."""
    *_, types, name = urn.split("::")
    return types.rpartition("$")[2], name


def stack_config(layer: str, env: str) -> dict[str, Any]:
    """Return the settings of a committed stack file by full key, as `txmon-network:vpcCidr`."""
    return dict((yaml.safe_load(Path(stack_file(layer, env)).read_text(encoding="utf-8")) or {}).get("config", {}))


def run_program(
    layer: str,
    env: str,
    *,
    config: dict[str, Any] | None = None,
    upstream: dict[str, dict[str, Any]] | None = None,
    answers: dict[str, dict[str, Any] | None] | None = None,
    settings: dict[str, Any] | None = None,
    preview: bool = False,
) -> Run:
    """Run `projects/<layer>/__main__.py` in `env`.

    `config` and `settings` (by full key) override the stack file; None removes a setting. `upstream` overrides the
    outputs of other layers, and `answers` the results of provider functions, where None means "not found".
    """
    own = {f"{project(layer)}:{key}": value for key, value in (config or {}).items()}
    given = {**stack_config(layer, env), **own, **(settings or {})}
    examples = {
        name: contract.example() | {"environment_suffix": env} | DEPLOYED.get((name, env), {})
        for name, contract in CONTRACTS.items()
    }
    run = Run(layer, env, {**examples, **(upstream or {})}, answers or {})
    set_root_resource(None)  # forget the exports of the last run
    set_mocks(
        run,
        project=project(layer),
        stack=env,
        organization="organization",
        preview=preview,
        monitor=Monitor(run),
    )
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items() if v is not None}
    set_all_config(texts)

    @pulumi.runtime.test
    def program() -> Output[Any]:
        runpy.run_path(str(stack_file(layer, env).parent / "__main__.py"))
        return Output.all(**get_root_resource().outputs).apply(run.exports.update)

    try:
        program()
    except BaseException:
        _failed.append((layer, env))
        raise
    return run


_failed: list[tuple[str, str]] = []


@pytest.fixture(autouse=True)
def _collect_after_a_failed_program() -> Iterator[None]:
    """Collect the deep chain of coroutines that a failed program leaves behind.

    If the collector finds the chain while Python 3.11 parses a file, the parser fails with "AST constructor recursion
    depth mismatch" in a later test or import. Reading the exceptions keeps asyncio from printing them at exit.
    """
    yield
    if _failed:
        _failed.clear()
        for found in gc.get_objects():
            if isinstance(found, asyncio.Future) and found.done() and not found.cancelled():
                found.exception()
        gc.collect()
        gc.freeze()  # the next search skips half a million objects of the SDK


@pytest.fixture(scope="session")
def run_layer() -> Callable[..., Run]:
    """Return `run_program` with a cache for runs without changes, one for each layer and environment."""
    cache: dict[tuple[str, str], Run] = {}

    def run(layer: str, env: str, **changes: Any) -> Run:
        if changes:
            return run_program(layer, env, **changes)
        if (layer, env) not in cache:
            cache[layer, env] = run_program(layer, env)
        return cache[layer, env]

    return run


@pytest.fixture(params=["local", "dev", "prod"])
def env(request: pytest.FixtureRequest) -> str:
    """Run a test in every environment with committed stack files."""
    return str(request.param)


@pytest.fixture(scope="session")
def statements() -> Callable[[str], dict[str, dict[str, Any]]]:
    """Return a function from a policy document to its statements by Sid."""

    def by_sid(policy: str) -> dict[str, dict[str, Any]]:
        found = json.loads(policy)["Statement"]
        assert len({statement["Sid"] for statement in found}) == len(found)
        return {statement["Sid"]: statement for statement in found}

    return by_sid


@pytest.fixture
def refuses_a_second_run() -> Callable[[Any], None]:
    """Return a check that a second run is refused, with the name of the first, while the first locks `dev`."""

    def check(workspace: Any) -> None:
        message = rf"dev is being changed by \S+ process {os.getpid()} \(deploy-all\)"
        with (
            EnvironmentLock(workspace).hold("deploy-all"),
            pytest.raises(OrchestratorError, match=message),
            EnvironmentLock(workspace).hold("destroy-all"),
        ):
            pytest.fail("two runs have locked the environment")

    return check
