"""Answers a client's login by SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL does, without channel binding.

The library scramp refuses the empty user name that PostgreSQL's clients send.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Final

VERIFIER: Final = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)")
CLIENT_FIRST: Final = re.compile(r"(?P<header>[ny],,)(?P<bare>n=[^,]*,r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+))")
CLIENT_FINAL: Final = re.compile(r"(?P<bare>c=(?P<header>[^,]+),r=(?P<nonce>[^,]+)),p=(?P<proof>[^,]+)")


class ScramError(Exception):
    """The client broke the protocol or does not know the password."""


@dataclass(frozen=True)
class Verifier:
    """What PostgreSQL keeps of a password: `pg_authid.rolpassword`."""

    iterations: str
    salt: str
    stored_key: bytes
    server_key: bytes


def verifier(text: str | None) -> Verifier:
    """Parse a role's verifier; return one that no password fulfils if there is none, which clients cannot see."""
    found = VERIFIER.fullmatch(text or "")
    if not found:
        salt = b64encode(secrets.token_bytes(16)).decode()
        return Verifier("4096", salt, secrets.token_bytes(32), secrets.token_bytes(32))
    iterations, salt, stored, server = found.groups()
    return Verifier(iterations, salt, b64decode(stored), b64decode(server))


class Exchange:
    """One login."""

    def __init__(self, against: Verifier) -> None:
        self._against = against

    def first(self, message: bytes) -> bytes:
        """Answer the client's first message.

        Raises:
            ScramError: it is malformed.
        """
        said = _parse(CLIENT_FIRST, message)
        self._header = b64encode(said["header"].encode()).decode()
        self._nonce = said["nonce"] + secrets.token_urlsafe(18)
        self._said = f"r={self._nonce},s={self._against.salt},i={self._against.iterations}"
        self._begun = f"{said['bare']},{self._said}"
        return self._said.encode()

    def final(self, message: bytes) -> bytes:
        """Answer the client's last message, which proves that it knows the password.

        Raises:
            ScramError: it does not prove that, or is malformed.
        """
        said = _parse(CLIENT_FINAL, message)
        text = f"{self._begun},{said['bare']}".encode()
        try:
            proof = b64decode(said["proof"], validate=True)
        except ValueError:
            raise ScramError("the proof is not base64") from None
        signature = hmac.digest(self._against.stored_key, text, "sha256")
        if len(proof) != len(signature):
            raise ScramError("the proof has another length")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        knows = hmac.compare_digest(hashlib.sha256(client_key).digest(), self._against.stored_key)
        if (said["header"], said["nonce"]) != (self._header, self._nonce) or not knows:
            raise ScramError("the password is another one")
        return b"v=" + b64encode(hmac.digest(self._against.server_key, text, "sha256"))


def _parse(pattern: re.Pattern[str], message: bytes) -> dict[str, str]:
    found = pattern.fullmatch(message.decode("latin-1"))
    if not found:
        raise ScramError("the message is malformed")
    return found.groupdict()
