"""Accepts clients for a server: over TLS only, and for PostgreSQL those that RDS would let in.

PostgreSQL's server trusts every connection of its proxy. A member of `rds_iam` has to show a token of IAM, even if it
has a password: RDS's order of the two is not documented, and a program that works with this one works with the other.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tools.localcloud.servers.scram import Exchange, ScramError, verifier

if TYPE_CHECKING:
    import ssl
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Awaitable, Callable

    from tools.localcloud.servers.postgresql import Login

    Serve = Callable[[StreamReader, StreamWriter], Awaitable[None]]

log = logging.getLogger(__name__)

CHUNK: Final = 2**18
HANDSHAKE_SECONDS: Final = 30
MAX_PACKET: Final = 10_000
"""Of a startup packet; PostgreSQL has the same limit (src/include/libpq/pqcomm.h)."""
MAX_MESSAGE: Final = 2**16
"""Of a message during the login; a token of IAM has a few kilobytes."""
# https://www.postgresql.org/docs/17/protocol-message-formats.html
SSL_REQUEST: Final = 80877103
GSS_REQUEST: Final = 80877104
CANCEL_REQUEST: Final = 80877102
CLEARTEXT, SASL, SASL_CONTINUE, SASL_FINAL = 3, 10, 11, 12
MECHANISM: Final = b"SCRAM-SHA-256"
INVALID_AUTHORIZATION: Final = "28000"
INVALID_PASSWORD: Final = "28P01"  # noqa: S105 - a code


class RefusedError(Exception):
    """A login that is refused, with PostgreSQL's code and message for the client."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def open_valkey(address: str, port: int, context: ssl.SSLContext, socket: str) -> asyncio.Server:
    """Open a port to a server that authenticates its clients itself.

    Raises:
        OSError: the port is taken, or the machine does not have the address.
    """

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        await _join(reader, writer, *await asyncio.open_unix_connection(socket, limit=CHUNK))

    return await asyncio.start_server(_quietly(serve), address, port, ssl=context, limit=CHUNK)


class PostgreSQLProxy:
    """Lets clients in to a server on a Unix socket."""

    def __init__(
        self,
        context: ssl.SSLContext,
        socket: str,
        login: Callable[[str], Login],
        refusal: Callable[[str, str], str | None],
    ) -> None:
        self._context = context
        self._socket = socket
        self._login = login
        """Returns how a role may log in."""
        self._refusal = refusal
        """Returns why a role may not log in with a token; None if it may."""

    async def open(self, address: str, port: int) -> asyncio.Server:
        """Open a port.

        Raises:
            OSError: the port is taken, or the machine does not have the address.
        """
        return await asyncio.start_server(_quietly(self._serve), address, port, limit=CHUNK)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                startup = await self._startup(reader, writer)
                await self._authenticate(startup, reader, writer)
                server = await asyncio.open_unix_connection(self._socket, limit=CHUNK)
        except RefusedError as refused:
            fields = {"S": "FATAL", "V": "FATAL", "C": refused.code, "M": str(refused)}
            body = b"".join(f"{key}{value}\0".encode() for key, value in fields.items()) + b"\0"
            writer.write(_message(b"E", body))
            await writer.drain()
            return
        server[1].write(startup)
        await _join(reader, writer, *server)

    async def _startup(self, reader: StreamReader, writer: StreamWriter) -> bytes:
        """Begin TLS and return the packet for the server: who logs in to what, or which statement is to be cancelled.

        Raises:
            RefusedError: the client does not want TLS.
        """
        code, packet = await _packet(reader)
        while code == GSS_REQUEST:
            writer.write(b"N")
            code, packet = await _packet(reader)
        if code == CANCEL_REQUEST:  # clients send it without TLS, as PostgreSQL lets them
            return packet
        if code != SSL_REQUEST or reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001 - sent before TLS
            user = _parameters(packet).get(b"user", b"").decode(errors="replace")
            raise RefusedError(
                INVALID_AUTHORIZATION, f'no pg_hba.conf entry for host, user "{user}", no encryption: TLS is required'
            )
        writer.write(b"S")
        await writer.start_tls(self._context)
        code, packet = await _packet(reader)
        if code == CANCEL_REQUEST:
            return packet
        # Written anew, so that the server cannot understand it otherwise than this proxy does.
        fields = b"".join(key + b"\0" + value + b"\0" for key, value in _parameters(packet).items())
        return _framed(packet[4:8] + fields + b"\0")

    async def _authenticate(self, startup: bytes, reader: StreamReader, writer: StreamWriter) -> None:
        """Let a client prove who it is.

        Raises:
            RefusedError: it does not.
        """
        parameters = _parameters(startup)
        if b"user" not in parameters:
            return  # a request to cancel, which has a secret of its own
        user = parameters[b"user"].decode(errors="replace")
        login = await asyncio.to_thread(self._login, user)
        if not login.by_token:
            await _check_password(login, user, reader, writer)
            return
        writer.write(_message(b"R", struct.pack("!I", CLEARTEXT)))
        token = (await _answer(reader)).rstrip(b"\0").decode(errors="replace")
        reason = await asyncio.to_thread(self._refusal, user, token)
        if reason:
            log.warning("the token of %s is refused: %s", user, reason)
            raise RefusedError(INVALID_AUTHORIZATION, f'PAM authentication failed for user "{user}"')


async def _check_password(login: Login, user: str, reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(_message(b"R", struct.pack("!I", SASL) + MECHANISM + b"\0\0"))
    exchange = Exchange(verifier(login.verifier))
    try:
        sent = (await _answer(reader)).removeprefix(MECHANISM + b"\0")  # another mechanism is malformed
        writer.write(_message(b"R", struct.pack("!I", SASL_CONTINUE) + exchange.first(sent[4:])))
        proven = exchange.final(await _answer(reader))
    except ScramError:
        raise RefusedError(INVALID_PASSWORD, f'password authentication failed for user "{user}"') from None
    writer.write(_message(b"R", struct.pack("!I", SASL_FINAL) + proven))


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + _framed(body)


def _framed(body: bytes) -> bytes:
    return struct.pack("!I", len(body) + 4) + body


async def _packet(reader: StreamReader) -> tuple[int, bytes]:
    """Return the code of a packet without a type, and the whole packet."""
    head = await reader.readexactly(8)
    length, code = struct.unpack("!II", head)
    if not 8 <= length <= MAX_PACKET:  # noqa: PLR2004 - of the head
        raise ConnectionError("this is not PostgreSQL's protocol")
    return code, head + await reader.readexactly(length - 8)


async def _answer(reader: StreamReader) -> bytes:
    """Return the body of the client's next message of the login."""
    kind, length = struct.unpack("!cI", await reader.readexactly(5))
    if kind != b"p" or not 4 <= length <= MAX_MESSAGE:  # noqa: PLR2004 - of the length itself
        raise ConnectionError("this is not a login by PostgreSQL's protocol")
    return await reader.readexactly(length - 4)


def _parameters(packet: bytes) -> dict[bytes, bytes]:
    words = packet[8:].split(b"\0")
    return {key: value for key, value in zip(words[::2], words[1::2], strict=False) if key}


async def _join(
    reader: StreamReader, writer: StreamWriter, from_server: StreamReader, to_server: StreamWriter
) -> None:
    """Pass on what both sides send until one of them ends."""
    ways = [asyncio.create_task(_pass_on(reader, to_server)), asyncio.create_task(_pass_on(from_server, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        to_server.close()
        for way in ways:
            way.cancel()


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()


def _quietly(serve: Serve) -> Serve:
    """Return a `serve` that closes the connection at its end, and logs no fault of a client."""

    async def handle(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError) as error:  # the last when the host ends
            log.debug("a connection ended: %s", error)
        finally:
            writer.close()

    return handle
