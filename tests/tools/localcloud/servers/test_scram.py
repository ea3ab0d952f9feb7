from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scramp import ScramClient, ScramMechanism

from tools.localcloud.servers.scram import Exchange, ScramError, verifier


def _kept(password: str) -> str:
    salt, stored, server, iterations = ScramMechanism("SCRAM-SHA-256").make_auth_info(password)
    salt64, stored64, server64 = (b64encode(each).decode() for each in (salt, stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"


def _login(kept: str | None, password: str) -> None:
    client, exchange = ScramClient(["SCRAM-SHA-256"], "*", password), Exchange(verifier(kept))
    client.set_server_first(exchange.first(client.get_client_first().encode()).decode())
    client.set_server_final(exchange.final(client.get_client_final().encode()).decode())


def test_the_right_password_is_proven_to_both_sides() -> None:
    _login(_kept("pass, word=ü"), "pass, word=ü")


@pytest.mark.parametrize("kept", [_kept("right"), None, "md5d41d8cd98f00b204e9800998ecf8427e"])
def test_a_wrong_password_or_a_role_without_one_is_refused(kept: str | None) -> None:
    with pytest.raises(ScramError):
        _login(kept, "wrong")


def test_a_proof_for_another_login_is_refused() -> None:
    kept = _kept("right")
    client, first = ScramClient(["SCRAM-SHA-256"], "*", "right"), Exchange(verifier(kept))
    begun = client.get_client_first().encode()
    client.set_server_first(first.first(begun).decode())
    second = Exchange(verifier(kept))
    second.first(begun)

    with pytest.raises(ScramError):
        second.final(client.get_client_final().encode())


KEPT = _kept("right")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # a loaded machine
@given(st.binary() | st.sampled_from([b"n,,n=,r=abc", b"p=tls-unique,,n=,r=abc", b"n,a=x,n=,r=abc"]), st.binary())
def test_whatever_a_client_sends_it_is_refused_or_answered(first: bytes, final: bytes) -> None:
    exchange = Exchange(verifier(KEPT))
    try:
        exchange.first(first)
        exchange.final(final)
    except ScramError:
        return
    pytest.fail("a client without the password was let in")
