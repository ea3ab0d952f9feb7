"""Makes the provider fail at each resource in turn; later runs have to complete it, with nothing lost or twice."""

import json
import os
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NoReturn
from zlib import crc32

import grpc
import pytest
from google.protobuf import any_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from shared.graph import LAYERS

pytestmark = [pytest.mark.local, pytest.mark.slow]

RUNS = 40
"""The most times that a verb is resumed."""
GO_ON = {"PULUMI_CONTINUE_ON_ERROR": "true"}
"""Makes the engine continue with resources that do not depend on a failed one, so that each run has many failures."""
CONNECTION = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # the provider knows an engine by its connection
]

Answer = Iterator[bytes]
Fault = Callable[[Any, Answer, grpc.ServicerContext], NoReturn]
"""Aborts a call, given the request, the response that the provider would give, and the engine's context."""


def refused(request: Any, _: Answer, context: grpc.ServicerContext) -> NoReturn:
    """Abort without asking the provider."""
    context.abort(grpc.StatusCode.UNKNOWN, injected(request))


def half_done(request: Any, answer: Answer, context: grpc.ServicerContext) -> NoReturn:
    """Let the provider create the resource, and report that it is not as wanted."""
    [message] = answer
    made = provider_pb2.CreateResponse.FromString(message)
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=made.id, properties=made.properties, inputs=request.properties, reasons=[injected(request)]
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=injected(request), details=[detail])
    context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    context.abort(grpc.StatusCode.UNKNOWN, injected(request))


def injected(request: Any) -> str:
    return f"injected: {type(request).__name__} of {request.urn.rpartition('::')[2]}"


class FaultyProvider(grpc.GenericRpcHandler):
    """Stands between the engines and the provider: each URN's first call of `method` meets one of the `faults`.

    All other calls are passed on. Each call is handled as two streams of bytes; a single message is a stream of one.
    """

    def __init__(self, port: int, method: str, faults: Sequence[Fault]) -> None:
        self.method = method
        self.faults = faults
        self.said: list[str] = []
        self.calls: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        """By URN: how often the provider itself has completed the call."""
        self._lock = threading.Lock()
        self._channels: dict[str, grpc.Channel] = defaultdict(
            lambda: grpc.insecure_channel(f"127.0.0.1:{port}", CONNECTION)
        )

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        answer = self._answer if details.method.endswith(f"/{self.method}") else self._pass_on
        return grpc.stream_stream_rpc_method_handler(partial(answer, details.method))

    def _pass_on(self, path: str, messages: Iterator[bytes], context: grpc.ServicerContext) -> Answer:
        with self._lock:
            channel = self._channels[context.peer()]
        call = channel.stream_stream(path)(messages)
        try:
            yield from call
        except grpc.RpcError:
            context.set_trailing_metadata(call.trailing_metadata())
            context.abort(call.code(), call.details())

    def _answer(self, path: str, messages: Iterator[bytes], context: grpc.ServicerContext) -> Answer:
        message = next(messages)
        request = getattr(provider_pb2, f"{self.method}Request").FromString(message)
        answer = self._pass_on(path, chain([message], messages), context)
        if getattr(request, "preview", False):
            return answer
        answer = self._counted(request.urn, answer)
        with self._lock:
            self.calls[request.urn] += 1
            first = self.calls[request.urn] == 1
        if first:
            self.said.append(injected(request))
            self.fault(request.urn)(request, answer, context)
        return answer

    def fault(self, urn: str) -> Fault:
        """Return the fault that a URN meets, which is the same in every run of the tests."""
        return self.faults[crc32(urn.encode()) % len(self.faults)]

    def _counted(self, urn: str, answer: Answer) -> Answer:
        yield from answer
        self.done[urn] += 1


def replace(file: Path, text: str) -> None:
    """Write a file at once: the local cloud, which reads it every second, writes half a one again."""
    fresh = file.with_name("cloud.json.of-the-test")
    fresh.write_text(text)
    fresh.replace(file)


@contextmanager
def failing(clone, method: str, *faults: Fault) -> Iterator[FaultyProvider]:
    """Give the clone's engines the port of a faulty provider while the block runs."""
    file = clone.path / ".local" / "cloud.json"
    before = file.read_text()
    (clone.path / ".local/engines" / str(os.getpid())).touch()  # the faulty provider calls the real one as an engine
    provider = FaultyProvider(clone.cloud["provider_port"], method, faults)
    server = grpc.server(ThreadPoolExecutor(32), handlers=[provider], options=CONNECTION)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    replace(file, json.dumps(clone.cloud | {"provider_port": port}, indent=2))
    try:
        yield provider
    finally:
        replace(file, before)
        server.stop(grace=None).wait()


def insisted(clone, verb: str, provider: FaultyProvider) -> None:
    """Run a verb and resume it until it succeeds; each run before reports its failures and leaves no lock."""
    for command in chain([verb], repeat("resume", RUNS)):
        provider.said.clear()
        done = clone.inv(command, **GO_ON)
        assert done.code == (1 if provider.said else 0), done.said
        assert [sentence for sentence in provider.said if sentence not in done.said] == []
        assert locks(clone) == []
        if done.code == 0:
            return
    pytest.fail(f"{verb} does not end")


def locks(clone) -> list[Path]:
    """Return the lock files of the engine and of the orchestrator."""
    return list((clone.path / ".local" / "state").glob(".*/locks/**/*.json"))


def managed(clone) -> set[str]:
    """Return the URNs of the resources that the states have in AWS."""
    resources = [resource for layer in LAYERS for resource in clone.resources(layer)]
    return {each["urn"] for each in resources if each["custom"] and not each["type"].startswith("pulumi:")}


@pytest.fixture(scope="module")
def whole(clone) -> Counter[str]:
    """What a deploy without failures creates."""
    assert clone.inv("deploy-all").code == 0
    made: Counter[str] = clone.made()
    assert clone.inv("destroy-all").code == 0
    return made


def test_a_deploy_completes_after_each_resource_has_failed(clone, whole) -> None:
    with failing(clone, "Create", refused, half_done) as provider:
        insisted(clone, "deploy-all", provider)
    # A half-done resource is updated, a refused one is created again.
    calls = {refused: 2, half_done: 1}
    assert provider.calls == Counter({urn: calls[provider.fault(urn)] for urn in managed(clone)})
    assert set(provider.calls.values()) == {1, 2}
    assert provider.done == Counter(managed(clone))
    assert clone.made() == whole
    assert clone.inv("preview-all", "--expect-no-changes").code == 0


def test_a_destroy_completes_after_each_resource_has_failed(clone) -> None:
    urns = managed(clone)
    assert urns
    with failing(clone, "Delete", refused) as provider:
        insisted(clone, "destroy-all", provider)
    assert provider.calls == Counter(dict.fromkeys(urns, 2))
    assert provider.done == Counter(urns)
    assert managed(clone) == set()
    assert +clone.made() == Counter()


def test_a_layer_that_stops_reports_its_failures_only(clone, whole) -> None:
    """Run without GO_ON: the engine cancels other operations, and in some runs prints more errors about that."""
    with failing(clone, "Create", refused):
        for _ in range(4):
            done = clone.inv("up", "security")
            assert done.code == 1
            [told] = re.findall(r"^security failed: (.*)", done.out, re.MULTILINE)
            assert [fault for fault in told.split("; ") if "injected: " not in fault] == []
