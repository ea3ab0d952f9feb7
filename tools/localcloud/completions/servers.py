"""Puts real servers behind the endpoints of RDS instances and of replication groups: `tools/localcloud/servers`.

The records of MiniStack are the only list of them, so servers and state start, end and move together.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions import logins
from tools.localcloud.completions.call import Refused, ministack
from tools.localcloud.errors import LocalCloudError
from tools.localcloud.home import Files
from tools.localcloud.servers.fleet import Fleet
from tools.localcloud.servers.host import Endpoint
from tools.localcloud.servers.status import ServerStatus
from tools.localcloud.servers.valkey import hashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

Record = dict[str, Any]

FAULTS: Final = (LocalCloudError, OSError, subprocess.SubprocessError)
"""What a start can end with: also a full disk, or a program that takes too long."""
ENDPOINT: Final = "Endpoint"
"""In a record of an instance, and here also in that of a replication group: where its server is."""
SERVER: Final = "_server"
"""In a record: the identity of its server."""
FAULT: Final = "_fault"
"""In a record: why its server does not run, if it failed to start with the local cloud."""


@cache
def fleet() -> Fleet:
    """Return the servers of the home, which is the working directory."""
    files = Files(Path())
    return Fleet(files.servers, files.ca, files.ca_key)


async def change(run: Callable[[], None]) -> None:
    """Do something with a server, in a thread, because it waits.

    Raises:
        Refused: it fails.
    """
    try:
        await asyncio.to_thread(run)
    except FAULTS as error:
        raise Refused("InvalidParameterCombination", str(error)) from None


def create_instance(instance: Record, password: str) -> None:
    """Create the server of an instance, if it is one of PostgreSQL.

    Raises:
        LocalCloudError: it does not start.
    """
    if instance["Engine"] != "postgres" or instance.get("DBClusterIdentifier"):
        return
    from tools.localcloud.servers.postgresql import Master  # noqa: PLC0415 - it imports pg8000

    identity = instance["DbiResourceId"]
    master = Master(instance["MasterUsername"], password, instance.get("DBName") or None)
    port = instance[ENDPOINT]["Port"]
    _place(
        instance,
        identity,
        fleet().create_postgresql(identity, port, master, _parameters(instance), _refusal(instance)),
    )


def start_instance(instance: Record) -> None:
    """Start the server of an instance, anew if it runs; do nothing if it has none.

    Raises:
        LocalCloudError: it does not start.
    """
    if SERVER in instance:
        identity, at = instance[SERVER], Endpoint(instance[ENDPOINT]["Address"], instance[ENDPOINT]["Port"])
        _place(
            instance,
            identity,
            fleet().start_postgresql(identity, at, _parameters(instance), _refusal(instance)),
        )


def take_snapshot(instance: Record, snapshot: Record) -> None:
    """Copy the data of an instance's server, if it has one.

    Raises:
        LocalCloudError: the data is gone.
    """
    if SERVER in instance:
        identity = f"snapshot-{secrets.token_hex(8)}"
        fleet().copy(instance[SERVER], identity)
        snapshot[SERVER] = identity


def restore_instance(instance: Record, snapshot: Record) -> None:
    """Create the server of an instance with the data of a snapshot, if the snapshot has any.

    Raises:
        LocalCloudError: the data is gone, or the server does not start.
    """
    if SERVER in snapshot:
        identity, port = instance["DbiResourceId"], instance[ENDPOINT]["Port"]
        made = fleet().restore_postgresql(identity, snapshot[SERVER], port, _parameters(instance), _refusal(instance))
        _place(instance, identity, made)


def set_password(instance: Record, password: str) -> None:
    """Set the master user's password on the server of an instance, if it has one.

    Raises:
        LocalCloudError: the server does not run.
    """
    if SERVER in instance:
        fleet().call(instance[SERVER], instance["MasterUsername"], password)


def create_group(group: Record) -> None:
    """Create the server of a replication group.

    Raises:
        LocalCloudError: it does not start.
    """
    identity = f"cache-{secrets.token_hex(8)}"
    _place(group, identity, fleet().create_valkey(identity, group["Port"], _parameters(group), _tokens(group)))


def start_group(group: Record) -> None:
    """Start the server of a replication group, anew if it runs; do nothing if it has none.

    Raises:
        LocalCloudError: it does not start.
    """
    if SERVER in group:
        identity, at = group[SERVER], Endpoint(group[ENDPOINT]["Address"], group[ENDPOINT]["Port"])
        _place(group, identity, fleet().start_valkey(identity, at, _parameters(group), _tokens(group)))


def set_tokens(group: Record) -> None:
    """Set the AUTH tokens that a replication group's record has on its server, if it has one.

    Raises:
        LocalCloudError: the server does not run.
    """
    if SERVER in group:
        fleet().call(group[SERVER], *_tokens(group))


def stop(record: Record) -> None:
    if SERVER in record:
        fleet().stop(record[SERVER])


def delete(record: Record) -> None:
    if SERVER in record:
        fleet().delete(record[SERVER])


def start_all() -> None:
    """Start the servers of all records, and delete those that no record has; keep each fault in its record."""
    records = [*_records()]
    snapshots = [record for _key, record in ministack("services.rds")._snapshots.all_items()]
    holders = [*(record for _name, record, _start in records), *snapshots]
    try:
        fleet().delete_others({record[SERVER] for record in holders if SERVER in record})
    except FAULTS as error:
        log.error("servers of which the state knows nothing are left: %s", error)  # noqa: TRY400 - as in `_try`
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda each: _try(*each), records))
    if not any(start is start_instance for _name, _record, start in records):
        threading.Thread(target=_prepare, daemon=True).start()


def status() -> list[ServerStatus]:
    """Return the state of the server of each record that can have one."""
    found = []
    for name, record, _start in _records():
        identity = record.get(SERVER)
        program = fleet().program(identity) if identity else None
        at = f"{record[ENDPOINT]['Address']}:{record[ENDPOINT]['Port']}" if identity else ""
        declared = f"{record['Engine']} {record['EngineVersion']}"
        found.append(ServerStatus(name, declared, program, at, record.get(FAULT)))
    return found


def _records() -> Iterator[tuple[str, Record, Callable[[Record], None]]]:
    """Yield name, record and start of everything that can have a server."""
    for (_account, _region, name), record in ministack("services.rds")._instances.all_items():
        if record["Engine"] == "postgres":
            yield name, record, start_instance
    groups = ministack("services.elasticache")._replication_groups
    for (_account, _region, name), record in groups.all_items():
        yield name, record, start_group


def _try(name: str, record: Record, start: Callable[[Record], None]) -> None:
    try:
        start(record)
    except FAULTS as error:
        log.error("the server of %s does not run: %s", name, error)  # noqa: TRY400 - not an error of the code
        record[FAULT] = str(error)


def _prepare() -> None:
    try:
        fleet().prepare_postgresql()
    except FAULTS as error:
        log.error("%s", error)  # noqa: TRY400 - as above; the first instance fails for the same reason


def _place(record: Record, identity: str, endpoint: Endpoint | None) -> None:
    """Note in a record where its server runs, if it does."""
    if endpoint:
        record[SERVER] = identity
        record[ENDPOINT] = record.get(ENDPOINT, {}) | {"Address": endpoint.address, "Port": endpoint.port}
        record.pop(FAULT, None)


def _scope(record: Record) -> tuple[str, str]:
    """Return the account and the region of a record."""
    _arn, _aws, _service, region, account, *_rest = (record.get("DBInstanceArn") or record["ARN"]).split(":")
    return account, region


def _parameters(record: Record) -> dict[str, str]:
    """Return what a user has set in the parameter group of an instance or of a replication group."""
    if "DBParameterGroups" in record:
        name = record["DBParameterGroups"][0]["DBParameterGroupName"]
        group = ministack("services.rds")._param_groups.get_scoped(*_scope(record), name, {})
        given = {key: each["ParameterValue"] for key, each in group.get("Parameters", {}).items()}
        return {key: value for key, value in given.items() if "{" not in value}  # a formula of the instance's class
    name = record["CacheParameterGroupName"]
    found = ministack("services.elasticache")._param_group_params.get_scoped(*_scope(record), name, {})
    return {key: each["Value"] for key, each in found.items() if each.get("Source") == "user"}


def _tokens(group: Record) -> list[str]:
    """Return the hashes of a group's AUTH tokens; none if clients may log in without one."""
    return [] if group.get("_auth_optional") else [hashed(token) for token in group["_auth_tokens"]]


def _refusal(instance: Record) -> Callable[[str, str], str | None]:
    return partial(logins.refusal, instance, *_scope(instance))
