"""Defines a completion: what the local cloud adds to an API of MiniStack, and the call that it answers.

A completion keeps what it adds in MiniStack's own records, which MiniStack saves, loads and deletes, or in `kept`.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tools.localcloud.completions.wires import Wire

Answer = tuple[int, dict[str, str], bytes]
"""A status, headers and a body."""
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Answer]]
"""Answers a service's requests: a method, a path, headers, a body and a query."""
Run = Callable[["Call"], Awaitable[Mapping[str, Any]]]
Refusal = Callable[["Call"], None]
"""Raises `Refused` if AWS would refuse the request."""

MODULES: Final = {
    "events": "eventbridge", "lambda": "lambda_svc", "monitoring": "cloudwatch", "logs": "cloudwatch_logs"
}  # fmt: skip
"""Service -> its module in MiniStack, if it has another name."""
KEPT: Final = "completions"
"""MiniStack's name of the file with what is in no record of its own."""


@dataclass(frozen=True)
class Completion:
    """What is added to some operations of a service."""

    service: str
    """MiniStack's name of the service: `rds`."""
    subject: str
    """What is added, for `./inv doctor`: "managed master passwords"."""
    operations: Mapping[str, Run] = field(default_factory=dict)
    """Operation -> what answers it: `{"CreateDBInstance": _create}`."""
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    """Operation -> what may refuse it before it is answered: `{"DeleteSubnet": _delete_subnet}`."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """What it does not do, by the subject that `./inv doctor` shows: `{"lambda.EventSourceMapping: x": "…"}`."""


class Refused(Exception):  # noqa: N818 - it is an answer
    """The answer to a request that AWS refuses."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Failed(Exception):  # noqa: N818 - it is an answer
    """MiniStack's refusal of a request, which goes to the client as it is."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer[2].decode(errors="replace"))
        self.answer = answer


@dataclass(frozen=True)
class Call:
    """One request to an operation."""

    service: str
    wire: Wire
    request: dict[str, Any]
    handlers: Mapping[str, Handler]
    """Service -> MiniStack's handler of it."""

    async def proceed(self, **changes: Any) -> dict[str, Any]:
        """Let MiniStack answer the request, with some changes.

        Raises:
            Failed: MiniStack refuses it.
        """
        return await self.ask(self.service, self.wire, **self.request | changes)

    async def ask(self, service: str, wire: Wire, /, **request: Any) -> dict[str, Any]:
        """Let MiniStack answer another request.

        Raises:
            Failed: MiniStack refuses it.
        """
        content_type, body = wire.forward(request)
        headers = {"content-type": content_type, "x-amz-target": f"AWS.{wire.operation}"}
        answer = await self.handlers[service](*wire.address, headers, body, {})
        if answer[0] >= 300:  # noqa: PLR2004 - HTTP's first status that is no success
            raise Failed(answer)
        return wire.answer(answer[2])

    def store(self, name: str, service: str = "") -> Any:
        """Return a store in MiniStack, of this service or another; it has what the account has in the region."""
        service = service or self.service
        return getattr(ministack(f"services.{MODULES.get(service, service)}"), name)

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource in the caller's account and region."""
        scope = ministack("core.responses")
        return f"arn:aws:{self.service}:{scope.get_region()}:{scope.get_account_id()}:{resource}"


class Kept:
    """What is in no record of MiniStack. MiniStack saves, loads and resets it as one of its modules."""

    def __init__(self) -> None:
        self._kinds: dict[str, Any] = {}

    def __call__(self, kind: str) -> Any:
        """Return the store of a kind: `kept("query definitions")`."""
        return self._kinds.setdefault(kind, ministack("core.responses").AccountRegionScopedDict())

    def get_state(self) -> dict[str, Any]:
        return self._kinds

    def load_persisted_state(self, data: dict[str, Any]) -> None:
        self._kinds = dict(data)

    def reset(self) -> None:
        self._kinds.clear()


kept: Final = Kept()


def ministack(module: str) -> Any:
    """Return a module of MiniStack, which reads its settings when it is imported."""
    return importlib.import_module(f"ministack.{module}")
