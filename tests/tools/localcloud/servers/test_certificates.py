from __future__ import annotations

import ipaddress
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tools.localcloud.servers.certificates import create_authority, write_server

if TYPE_CHECKING:
    from pathlib import Path


def _authority(folder: Path) -> bytes:
    create_authority(folder / "ca.pem", folder / "ca.key")
    return (folder / "ca.key").read_bytes()


def test_a_server_is_verified_for_its_address_only(tmp_path: Path) -> None:
    write_server(tmp_path / "server.pem", "127.77.0.1", _authority(tmp_path))
    store = Store(x509.load_pem_x509_certificates((tmp_path / "ca.pem").read_bytes()))
    [leaf] = x509.load_pem_x509_certificates((tmp_path / "server.pem").read_bytes())

    def verify(address: str) -> None:
        name = x509.IPAddress(ipaddress.ip_address(address))
        PolicyBuilder().store(store).build_server_verifier(name).verify(leaf, [])

    verify("127.77.0.1")
    with pytest.raises(VerificationError):
        verify("127.77.0.2")


def test_the_authority_stays_and_its_key_is_private(tmp_path: Path) -> None:
    first = _authority(tmp_path)

    assert _authority(tmp_path) == first
    assert (tmp_path / "ca.key").stat().st_mode & 0o077 == 0
    assert ssl.create_default_context(cafile=tmp_path / "ca.pem").cert_store_stats()["x509_ca"] == 1
