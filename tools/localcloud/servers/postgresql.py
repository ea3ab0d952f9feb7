"""Runs a PostgreSQL server that listens on a Unix socket, and lets in the user that runs its proxy, as any role.

The proxy authenticates clients (`proxy.py`). The master user has the rights that RDS gives it, so that what needs a
superuser fails here, too.
"""

from __future__ import annotations

import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pg8000 import exceptions, native

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.servers import owner
from tools.localcloud.servers.server import START_SECONDS, Server, reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tools.localcloud.servers.binaries import Binaries

SUPERUSER: Final = "rdsadmin"
"""RDS's own superuser, as whom no client is let in."""
SOCKET: Final = ".s.PGSQL.5432"
CONNECT_SECONDS: Final = 5
INITDB_SECONDS: Final = 120  # one is usual
QUIET: Final = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
}
"""Keeps what the local cloud says, such as passwords, out of the server's log."""
SETTINGS: Final = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_directories": ".",  # relative to the data, because a path in a home can be too long for a socket
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    "fsync": "off",  # what a killed server has written is safe; only a machine that loses power would lose it
    "timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
}
"""What a parameter group cannot change here."""
OURS: Final = {
    *SETTINGS,
    "ssl",
    "shared_preload_libraries",
    "data_directory",
    "hba_file",
    "ident_file",
    "config_file",
}
ROLES: Final = (
    "CREATE ROLE rds_iam",
    "CREATE ROLE rds_superuser",
    "GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO rds_superuser WITH ADMIN OPTION",
)
LOGIN: Final = """
SELECT rolpassword, coalesce(rolvaliduntil > now(), true), EXISTS (
    SELECT FROM pg_auth_members JOIN pg_roles AS grantor ON grantor.oid = pg_auth_members.grantor
    WHERE roleid = 'rds_iam'::regrole AND grantor.rolname <> :superuser
      AND pg_has_role(pg_authid.oid, pg_auth_members.member, 'MEMBER'))
FROM pg_authid WHERE rolname = :role AND rolcanlogin
"""
"""A role is a member of rds_iam by each grant of it but the one that lets the master user grant it."""


@dataclass(frozen=True)
class Master:
    """The master user and its database."""

    user: str
    password: str
    database: str | None


@dataclass(frozen=True)
class Login:
    """How a role may log in."""

    verifier: str | None
    """Of its password; None if it has no valid one, or if there is no such role."""
    by_token: bool
    """Whether it has to show a token of IAM in place of a password, as members of rds_iam do."""


def known_parameters(binaries: Binaries) -> set[str]:
    """Return the names of the parameters that this PostgreSQL has."""
    said = subprocess.run(
        [binaries.folder / "postgres", "--describe-config"],
        check=True, capture_output=True, encoding="utf-8", timeout=START_SECONDS, cwd="/", **owner.process_user(),
    ).stdout  # fmt: skip
    return {line.partition("\t")[0].lower() for line in said.splitlines()}


def initialise(binaries: Binaries, data: Path) -> None:
    """Create the data of an empty server, in a folder that the servers' user can write to.

    Raises:
        LocalCloudError: it cannot be created.
    """
    locale = ["--locale=C"]
    if binaries.major >= 17:  # noqa: PLR2004 - the first version with a locale that needs nothing of the system
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(
        [binaries.folder / "initdb", "-D", data, "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8", *locale,
         "--no-sync", "--no-instructions", "--wal-segsize=4"],
        check=False, capture_output=True, encoding="utf-8", errors="replace", timeout=INITDB_SECONDS, cwd="/",
        **owner.process_user(),
    )  # fmt: skip
    if done.returncode:
        raise LocalCloudError(f"{binaries} cannot create a database: {reason(done.stderr)}")


class PostgreSQL(Server):
    """A server of PostgreSQL."""

    stop_signal = signal.SIGINT
    not_ready = (exceptions.Error, OSError)
    socket = f"data/{SOCKET}"

    def create(self) -> None:
        """Create the data of an empty server, unless there is some."""
        if not self._data.exists():
            initialise(self._binaries, self._data)

    def start(self, parameters: Mapping[str, str]) -> None:
        """Start the server with those of a parameter group's parameters that it knows, and wait for it.

        Raises:
            LocalCloudError: it does not start.
        """
        self._let_in_own_user()
        known = known_parameters(self._binaries) - OURS
        given = {name: value for name, value in parameters.items() if name.lower() in known}
        options = [f"-c{name}={value}" for name, value in (given | SETTINGS).items()]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._binaries.folder / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env={"LANG": "C"}, **owner.process_user(),
            )  # fmt: skip
        self.await_answer()

    def create_master(self, master: Master) -> None:
        """Create the master user and its database."""
        name = native.identifier(master.user)
        with self._admin() as admin:
            for each in ROLES:
                admin.run(each)
            admin.run(f"CREATE ROLE {name} LOGIN CREATEROLE CREATEDB IN ROLE rds_superuser")
            admin.run(f"GRANT rds_iam TO {name} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
            self._set_password(admin, master.user, master.password)
            if master.database and master.database != "postgres":
                admin.run(f"CREATE DATABASE {native.identifier(master.database)} OWNER {name}")

    def set_password(self, user: str, password: str) -> None:
        with self._admin() as admin:
            self._set_password(admin, user, password)

    def login(self, role: str) -> Login:
        """Return how a role may log in."""
        with self._admin() as admin:
            found = admin.run(LOGIN, role=role, superuser=SUPERUSER)
        [verifier, valid, by_token] = found[0] if found and role != SUPERUSER else (None, False, False)
        return Login(verifier if valid else None, by_token)

    @staticmethod
    def _set_password(admin: Any, user: str, password: str) -> None:
        admin.run(f"ALTER ROLE {native.identifier(user)} PASSWORD {native.literal(password)}")

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        admin = native.Connection(
            SUPERUSER, unix_sock=self.socket, database="postgres", timeout=CONNECT_SECONDS, startup_params=QUIET
        )
        try:
            yield admin
        finally:
            admin.close()

    def ask(self) -> None:
        """Log in."""
        with self._admin():
            pass

    def _let_in_own_user(self) -> None:
        """Let the user of this process in as any role, and nobody else."""
        for name, text in (
            ("pg_hba.conf", "local all all peer map=proxy\n"),
            ("pg_ident.conf", f"proxy {owner.own_name()} all\n"),
        ):
            file = self._data / name
            file.write_text(text, "utf-8")
            owner.give(file)
