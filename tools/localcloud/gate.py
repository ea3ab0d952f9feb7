"""Lets only signed requests into the emulator, which itself asks for no credentials and runs functions on the host.

Other users of the machine and web pages in a browser can reach a port of the loopback interface, too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping

    from tools.localcloud.home import AccessKey

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]
    Headers = dict[str, str]

AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,\s*"
    r"SignedHeaders=(?P<signed>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
MAX_SKEW: Final = dt.timedelta(minutes=5)
"""How far a request's time may be off (IAM User Guide, "Elements of an AWS API request signature")."""
MAX_BODY: Final = 100 * 1024**2
"""Bytes of a request: a function's archive has 50 MB at most, which base64 makes 67 MB (Lambda Developer Guide)."""
ENCRYPTED: Final = (b"x-forwarded-proto", b"https")
"""Lets policies that require TLS accept the request: it has not left the machine, and none enters unsigned."""
REFUSAL: Final = (
    "the local cloud only accepts requests that are signed with its own keys; they are in the variables of: "
    "./inv local-env"
)


class RefusedError(Exception):
    """A request that may not enter, with the reason."""


@dataclass(frozen=True)
class Gate:
    """An ASGI application that hands on to `app` what is signed with the root's key or a session's."""

    app: App
    hosts: frozenset[str]
    """The values of `Host` that lead here: a page that had its own name resolve to this machine sends another one."""
    root: AccessKey
    root_in_app: str
    """The root's access key as `app` knows it."""
    session: Callable[[str], AccessKey | None]
    """Returns the temporary credentials that `app` issued under an access key."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._check_sender(scope, headers)
            body = await _whole(receive)
            key = self._verified(scope, headers, body)
        except RefusedError as refused:
            await _refuse(scope, send, str(refused))
            return
        known_as = self.root_in_app if key is self.root else key.identity
        passed = [*_renamed(scope["headers"], key.identity, known_as)]
        if "x-forwarded-proto" not in headers:
            passed.append(ENCRYPTED)
        await self.app(dict(scope, headers=passed), _replayed(body, receive), _without_cors(send))

    def _check_sender(self, scope: Message, headers: Headers) -> None:
        if scope["type"] != "http":
            raise RefusedError("only HTTP requests are accepted")
        if "origin" in headers:  # browsers add it, AWS's SDKs do not
            raise RefusedError("requests of web pages are not accepted")
        if headers.get("host") not in self.hosts:
            raise RefusedError(f"the host {headers.get('host')!r} does not lead here")

    def _verified(self, scope: Message, headers: Headers, body: bytes) -> AccessKey:
        """Return the key with which a request is signed.

        Raises:
            RefusedError: it is not signed, by an unknown key, at another time, or for another request.
        """
        said = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if not said:
            raise RefusedError(REFUSAL)
        key = self.root if said["key"] == self.root.identity else self.session(said["key"])
        if key is None or not hmac.compare_digest(key.token, headers.get("x-amz-security-token", "")):
            raise RefusedError(REFUSAL)
        _check_time(headers)
        _check_body(headers, body)
        if not hmac.compare_digest(signature(key, said.groupdict(), scope, headers, body), said["signature"]):
            raise RefusedError(REFUSAL)
        return key


def sign(method: str, url: str, key: AccessKey) -> Headers:
    """Return the headers of a signed request without a body."""
    request = AWSRequest(method=method, url=url, data=b"")
    SigV4Auth(Credentials(key.identity, key.secret), "local-cloud", "local").add_auth(request)
    return dict(request.headers)


def signature(key: AccessKey, said: Mapping[str, str], scope: Message, headers: Headers, body: bytes) -> str:
    """Return the signature that a request has if it was signed with `key`, as its Authorization header says."""
    path = scope["raw_path"].decode("latin-1").partition("?")[0]
    query = scope["query_string"].decode("latin-1")
    request = AWSRequest(
        method=scope["method"],
        url=f"http://{headers['host']}{path}{'?' if query else ''}{query}",
        data=body,
        headers={name: headers.get(name, "") for name in said["signed"].split(";")},
    )
    request.context["timestamp"] = headers["x-amz-date"]
    method = S3SigV4Auth if said["service"] == "s3" else SigV4Auth
    signer = method(Credentials(key.identity, key.secret), said["service"], said["region"])
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))


def _check_time(headers: Headers) -> None:
    try:
        sent = dt.datetime.strptime(headers.get("x-amz-date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    except ValueError:
        raise RefusedError(REFUSAL) from None
    if abs(dt.datetime.now(dt.UTC) - sent) > MAX_SKEW:
        raise RefusedError(f"the request was signed at {sent:%H:%M:%S} UTC, more than five minutes from now")


def _check_body(headers: Headers, body: bytes) -> None:
    """Check the hash that is signed in place of the body; S3's clients may leave the body unsigned."""
    hashed = headers.get("x-amz-content-sha256", "UNSIGNED")
    if not hashed.startswith(("UNSIGNED", "STREAMING")) and hashed != hashlib.sha256(body).hexdigest():
        raise RefusedError(REFUSAL)


async def _whole(receive: Receive) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError("the request is incomplete")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise RefusedError(f"the request has more than {MAX_BODY} bytes")
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body that was read already, and then waits for the client to leave."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay


def _renamed(headers: Iterable[tuple[bytes, bytes]], old: str, new: str) -> Iterable[tuple[bytes, bytes]]:
    """Return the headers with another access key in the credential's scope."""
    credential = f"Credential={old}/".encode()
    for name, value in headers:
        yield name, value.replace(credential, f"Credential={new}/".encode(), 1)


def _without_cors(send: Send) -> Send:
    """Return a `send` that lets no web page read an answer."""

    async def strip(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [each for each in message["headers"] if not each[0].lower().startswith(b"access-control-")]
            message = dict(message, headers=kept)
        await send(message)

    return strip


async def _refuse(scope: Message, send: Send, reason: str) -> None:
    """Answer as AWS does, so that its SDKs show the reason."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    is_form = any(b"x-www-form-urlencoded" in value for name, value in scope["headers"] if name == b"content-type")
    code = "UnrecognizedClientException"
    body = (
        f"<ErrorResponse><Error><Code>{code}</Code><Message>{reason}</Message></Error></ErrorResponse>"
        if is_form
        else json.dumps({"__type": code, "message": reason})
    )
    kind = b"text/xml" if is_form else b"application/x-amz-json-1.1"
    headers = [(b"content-type", kind), (b"x-amzn-errortype", code.encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": HTTPStatus.FORBIDDEN, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
