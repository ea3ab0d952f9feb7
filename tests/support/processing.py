"""Events of the stream and credentials of the stores for tests of projects/processing/app."""

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from projects.processing.app import schema
from projects.processing.app.consume import Consumer
from projects.processing.app.database import Database
from projects.processing.app.migrate import Migrator
from projects.processing.app.patience import wait_out
from projects.processing.app.settings import Settings
from tests.support.servers import AUTH_TOKEN, DATABASE, IAM_TOKEN, MASTER, Stores, servers
from tools.localcloud.servers.valkey import hashed

SHARD = "shardId-000000000000"
_numbers = itertools.count(49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898)


def transaction(number: int, **changed: Any) -> dict[str, Any]:
    """Return a transaction of now with an id made from a number."""
    return {
        "transaction_id": f"t-{number}",
        "occurred_at": datetime.now(UTC).isoformat(),
        "customer_id": f"c-{number % 7}",
        "amount": 1980 + number,
        "currency": "JPY",
        **changed,
    }


def record(content: Any, *, arrived_at: float | None = None) -> dict[str, Any]:
    """Return a record as Lambda hands it over; its content is bytes, or something to write as JSON."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    number = str(next(_numbers))
    return {
        "eventID": f"{SHARD}:{number}",
        "eventSource": "aws:kinesis",
        "kinesis": {
            "sequenceNumber": number,
            "partitionKey": "c",
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": time.time() if arrived_at is None else arrived_at,
        },
    }


def event(contents: Iterable[Any]) -> dict[str, Any]:
    return {"Records": [record(content) for content in contents]}


def settings(stores: Stores, **changed: Any) -> Settings:
    """Return what the functions' variables say about stores of a test."""
    database, cache = stores.postgresql.endpoint, stores.valkey.endpoint
    found = Settings(
        environment="test",
        region="ap-northeast-1",
        db_host=database.address,
        db_port=database.port,
        db_name=DATABASE,
        db_user="tx_consumer",
        redis_host=cache.address,
        redis_port=cache.port,
        redis_secret_arn="arn:redis",
        history_hours=24,
        outage_seconds=0,
        processing_seconds=20,
        rules="{}",
        db_master_secret_arn="arn:master",
    )
    return replace(found, **changed)


@dataclass
class GivenCredentials:
    """Passwords as a test gives them."""

    token: str = IAM_TOKEN
    redis: dict[str, str] = field(default_factory=lambda: {"AWSCURRENT": AUTH_TOKEN})
    master_password: str = MASTER.password
    redis_reads: int = 0

    def database_token(self, _user: str) -> str:
        return self.token

    def redis_token(self, stage: str) -> str | None:
        self.redis_reads += 1
        return self.redis.get(stage)

    def master(self) -> tuple[str, str]:
        return MASTER.user, self.master_password


def metrics(output: str) -> list[dict[str, Any]]:
    """Return the metrics that a function wrote to its standard output."""
    lines = [json.loads(line) for line in output.splitlines()]
    return [line for line in lines if "_aws" in line]


class Flow:
    """Consumer and migrator on real stores of a test."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.credentials = GivenCredentials()
        self.settings = settings(stores)
        self.migrator = self.new_migrator()
        self.migrator.handle({"migrate": schema.digest()})
        self.consumer = self.new_consumer()
        self._master = self.master()

    def new_consumer(self, **changed: Any) -> Consumer:
        return Consumer(replace(self.settings, **changed), self.credentials, pause=0.05)

    def new_migrator(self, **changed: Any) -> Migrator:
        return Migrator(replace(self.settings, **changed), self.credentials)

    def master(self) -> Database:
        """Return a session of the master."""
        return Database(self.settings, self.credentials.master)

    def consumer_database(self) -> Database:
        """Return a session as the consumer has it."""
        return Database(
            self.settings, lambda: (self.settings.db_user, self.credentials.database_token(self.settings.db_user))
        )

    def clear(self) -> None:
        """Forget every transaction and every password that a test gave."""
        self.credentials.__init__()  # type: ignore[misc]
        self.stores.valkey.fleet.call("cache", hashed(AUTH_TOKEN))
        self.sql("TRUNCATE transactions, rejected, resolved, findings")
        self.redis().flushall()
        self.consumer, self.migrator = self.new_consumer(), self.new_migrator()

    def put(self, *contents: Any) -> dict[str, Any]:
        """Hand a batch to the consumer, and return its answer."""
        return self.consumer.handle(event(contents))

    def sql(self, statement: str, **values: Any) -> list[list[Any]]:
        """Run a statement as the master."""
        return wait_out(lambda: self._master.run(statement, **values), 5, on_outage=lambda _: None, pause=0)

    def redis(self, token: str = AUTH_TOKEN) -> Any:
        cache = self.stores.valkey.endpoint
        return redis.Redis(cache.address, cache.port, password=token, ssl=True, decode_responses=True)

    def counts(self) -> tuple[int, int, int]:
        """Return how many transactions, rejected and conflicting records PostgreSQL has."""
        status = self.migrator.handle({"status": True})
        return status["transactions"], status["rejected"], status["conflicting"]

    def history(self) -> dict[str, int]:
        """Return when each transaction in Redis expires."""
        client = self.redis()
        return {key: client.expiretime(key) for key in client.keys("tx:*")}


@contextmanager
def flow(folder: Path, **given: Any) -> Iterator[Flow]:
    """Run both stores with the schema, trusted by this process; `given` is for `engines`."""
    with servers(folder, **given) as stores, pytest.MonkeyPatch.context() as patch:
        for name in ("PGSSLROOTCERT", "SSL_CERT_FILE"):
            patch.setenv(name, str(stores.ca))
        yield Flow(stores)


@contextmanager
def meanwhile(*steps: Callable[[], object] | float) -> Iterator[None]:
    """Do the steps, and wait the seconds between them, while the block runs, which waits for their end."""

    def run() -> None:
        for step in steps:
            time.sleep(step) if isinstance(step, float) else step()

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(run)
        try:
            yield
        finally:
            done.result()
