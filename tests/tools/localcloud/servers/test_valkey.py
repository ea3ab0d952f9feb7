from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import redis

from tests.support.servers import AUTH_TOKEN
from tools.localcloud.servers.valkey import hashed

if TYPE_CHECKING:
    from tests.support.servers import Stores

pytestmark = pytest.mark.local


def _client(stores: Stores, token: str | None = AUTH_TOKEN) -> redis.Redis:
    at = stores.valkey.endpoint
    return redis.Redis(
        host=at.address, port=at.port, password=token, ssl=True, ssl_ca_certs=str(stores.ca), retry=None
    )


def test_a_client_logs_in_over_tls_with_the_token(stores: Stores) -> None:
    assert _client(stores).set("key", "value")
    assert _client(stores).get("key") == b"value"


@pytest.mark.parametrize("token", ["wrong", None])
def test_a_wrong_token_is_refused(token: str | None, stores: Stores) -> None:
    with pytest.raises(redis.AuthenticationError):
        _client(stores, token).get("key")


def test_a_connection_without_tls_is_refused(stores: Stores) -> None:
    at = stores.valkey.endpoint
    with socket.create_connection((at.address, at.port), timeout=10) as plain:
        plain.sendall(f"AUTH {AUTH_TOKEN}\r\nPING\r\n".encode())
        try:
            said = plain.recv(1024)
        except ConnectionResetError:
            said = b""

    assert b"PONG" not in said


@pytest.mark.parametrize("command", ["CONFIG GET save", "ACL LIST", "SHUTDOWN", "REPLICAOF NO ONE", "SAVE"])
def test_commands_that_elasticache_restricts_are_refused(command: str, stores: Stores) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        _client(stores).execute_command(*command.split())


def test_two_tokens_are_valid_while_they_are_rotated(stores: Stores) -> None:
    call = stores.valkey.fleet.call

    call("cache", hashed(AUTH_TOKEN), hashed("another"))
    assert _client(stores).ping()
    assert _client(stores, "another").ping()

    call("cache", hashed("another"))
    with pytest.raises(redis.AuthenticationError):
        _client(stores).ping()

    call("cache", hashed(AUTH_TOKEN))
    assert _client(stores).ping()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_data_and_expiries_survive_a_stop_and_a_kill(how: str, stores: Stores) -> None:
    _client(stores).set("survives", how, ex=1000)

    getattr(stores.valkey, how)()
    with pytest.raises(redis.ConnectionError):
        _client(stores).ping()

    assert stores.valkey.restart() == stores.valkey.endpoint
    assert _client(stores).get("survives") == how.encode()
    assert 0 < _client(stores).ttl("survives") <= 1000
