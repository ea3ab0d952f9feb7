"""Only what is signed with a known key, now, for this address and by no web page enters the emulator."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tools.localcloud.gate import MAX_BODY, Gate
from tools.localcloud.home import AccessKey

HOST = "127.0.0.1:4566"
ROOT = AccessKey("AKIAROOT", "secret")
ROLE = AccessKey("ASIAROLE", "another", "token")
ALLOWED = [(b"access-control-allow-origin", b"*"), (b"content-type", b"text/xml")]


@dataclass
class Emulator:
    """Records what enters, and answers as MiniStack does: any page may read it."""

    scopes: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        self.bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": ALLOWED})
        await send({"type": "http.response.body", "body": b"entered"})


@dataclass
class Request:
    """A request as an SDK sends it, and the place where each of its parts can be changed."""

    key: AccessKey = ROOT
    path: str = "/a%20b/c?list&prefix=x%2Fy"
    body: bytes = b"Action=ListKeys"
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "http"

    def __post_init__(self) -> None:
        request = AWSRequest("POST", f"http://{HOST}{self.path}", {"Host": HOST}, self.body)
        SigV4Auth(Credentials(self.key.identity, self.key.secret, self.key.token), "kms", "x").add_auth(request)
        self.headers = dict(request.headers) | self.headers

    def through(self, emulator: Emulator) -> tuple[int, dict[bytes, bytes], bytes]:
        """Send it through the gate; return the status, headers and body of the answer."""
        path, _, query = self.path.partition("?")
        scope = {
            "type": self.kind,
            "method": "POST",
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in self.headers.items()],
        }
        parts = [{"type": "http.request", "body": self.body[:3], "more_body": True}]
        parts.append({"type": "http.request", "body": self.body[3:], "more_body": False})
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return parts.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        gate = Gate(emulator, frozenset({HOST}), ROOT, "test", lambda key: ROLE if key == ROLE.identity else None)
        loop = asyncio.new_event_loop()  # `asyncio.run` would take the loop of the tests with Pulumi's mocks away
        loop.run_until_complete(gate(scope, receive, send))
        loop.close()
        if self.kind == "websocket":
            return sent[0]["code"], {}, b""
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_the_root_enters_under_the_key_that_the_emulator_knows() -> None:
    emulator = Emulator()
    assert Request().through(emulator)[0] == 200
    headers = dict(emulator.scopes[0]["headers"])
    assert headers[b"authorization"].startswith(b"AWS4-HMAC-SHA256 Credential=test/")
    assert headers[b"x-forwarded-proto"] == b"https"
    assert emulator.bodies == [b"Action=ListKeys"]


def test_a_session_enters_under_its_own_key() -> None:
    emulator = Emulator()
    assert Request(ROLE).through(emulator)[0] == 200
    assert b"Credential=ASIAROLE/" in dict(emulator.scopes[0]["headers"])[b"authorization"]


def test_no_answer_allows_web_pages_to_read_it() -> None:
    _, headers, body = Request().through(Emulator())
    assert headers == {b"content-type": b"text/xml"}
    assert body == b"entered"


def changed(**attributes: Any) -> Request:
    request = Request()
    for name, value in attributes.items():
        setattr(request, name, value)
    return request


def presigned() -> Request:
    request = AWSRequest("POST", f"http://{HOST}/", {"Host": HOST}, b"")
    SigV4QueryAuth(Credentials(ROOT.identity, ROOT.secret), "kms", "x").add_auth(request)
    return changed(path=request.url.removeprefix(f"http://{HOST}"), headers={"Host": HOST}, body=b"")


def at(minutes: int) -> Request:
    """Return a request that was signed some minutes ago, with a time that says so."""
    with pytest.MonkeyPatch.context() as patch:
        moment = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
        patch.setattr("botocore.auth.get_current_datetime", lambda **_: moment)
        return Request()


REFUSED = {
    "unsigned": lambda: changed(headers={"Host": HOST}),
    "unknown key": lambda: Request(AccessKey("AKIAOTHER", "secret")),
    "the emulator's own name of the root": lambda: Request(AccessKey("test", "test")),
    "twelve digits, which the emulator takes for an account's root": lambda: Request(AccessKey("0" * 12, "x")),
    "wrong secret": lambda: Request(AccessKey(ROOT.identity, "guess")),
    "wrong token": lambda: Request(AccessKey(ROLE.identity, ROLE.secret, "stolen")),
    "another body": lambda: changed(body=b"Action=Reset"),
    "another path": lambda: changed(path="/_ministack/reset"),
    "another query": lambda: changed(path="/a%20b/c?list&prefix=z"),
    "presigned": presigned,
    "signed six minutes ago": lambda: at(6),
    "signed for six minutes from now": lambda: at(-6),
    "a body that its hash does not fit": lambda: Request(headers={"X-Amz-Content-SHA256": "0" * 64}),
    "from a web page": lambda: Request(headers={"Origin": "http://127.0.0.1:8000"}),
    "to a name that resolves to this machine": lambda: Request(headers={"Host": "attacker.example:4566"}),
    "too long": lambda: Request(body=bytes(MAX_BODY + 1)),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_everything_else_is_refused_with_a_reason(make: Any) -> None:
    emulator = Emulator()
    status, headers, body = make().through(emulator)
    assert status == 403
    assert body
    assert b"access-control-allow-origin" not in headers
    assert emulator.scopes == []


def test_a_signature_of_some_minutes_ago_is_accepted() -> None:
    assert at(4).through(Emulator())[0] == 200


def test_web_sockets_are_refused() -> None:
    emulator = Emulator()
    assert Request(kind="websocket").through(emulator)[0] == 1008
    assert emulator.scopes == []
