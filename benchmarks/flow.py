"""Times transactions on their way from the stream to both stores, in the local environment as it is deployed.

The consumer writes PostgreSQL first, so that a transaction counts as stored when Redis has it; at the end PostgreSQL
has to have as many. Each transaction has TRANSACTION_BYTES, as the capacity model assumes.
"""

import json
import os
import ssl
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pg8000.native
import psutil
import redis
from rich.console import Console

from benchmarks.deploy import inv
from tools.localcloud.home import Files
from tools.orchestrator.cli.commands import open_environment
from tools.orchestrator.render.table import table
from tools.txmon.flow.deployment import Deployment, open_deployment
from tools.txmon.flow.samples import Samples
from tools.txmon.flow.send import Record, Sender
from tools.txmon.monorepo import LOCAL_CLOUD, MONOREPO

TRANSACTION_BYTES = 1024
SINGLE = 200
RATE = 1000 / 60
RATE_SECONDS = 60
LOAD = 10_000
SHARDS = (1, 2, 4, 8)
POLL_SECONDS = 0.002
CHUNK = 500
"""Transactions that are looked for at once."""
PATIENCE_SECONDS = 300
"""How long the last transaction of a step may take."""


@dataclass
class Arrivals:
    """Notes when transactions are put, and looks for them in Redis."""

    client: Any
    """A Kinesis client."""
    redis: Any
    pending: dict[str, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    """From put to both stores, by transaction."""

    def put_records(self, **request: Any) -> Mapping[str, Any]:
        now = time.monotonic()
        self.pending |= {json.loads(each["Data"])["transaction_id"]: now for each in request["Records"]}
        answer: Mapping[str, Any] = self.client.put_records(**request)
        return answer

    def look(self) -> None:
        oldest = list(islice(tuple(self.pending), CHUNK))
        pipeline = self.redis.pipeline(transaction=False)
        for identity in oldest:
            pipeline.exists(f"tx:{identity}")
        answers, now = pipeline.execute(), time.monotonic()
        for identity, stored in zip(oldest, answers, strict=True):
            if stored:
                self.seconds.append(now - self.pending.pop(identity))

    def follow(self, stream_arn: str, records: Iterable[Record], rate: float | None = None) -> float:
        """Put the records, and return the seconds until all are in both stores.

        Raises:
            TimeoutError: some are not.
        """
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            putting = pool.submit(Sender(self.put_records, stream_arn).send, records, rate)
            deadline = None
            while self.pending or not putting.done():
                self.look()
                time.sleep(POLL_SECONDS)
                if putting.done() and deadline is None:
                    putting.result()
                    deadline = time.monotonic() + PATIENCE_SECONDS
                if deadline and time.monotonic() > deadline:
                    raise TimeoutError(f"{len(self.pending)} transactions did not arrive")
        return time.monotonic() - began


def records(number: int) -> Iterator[Record]:
    """Return transactions of TRANSACTION_BYTES."""
    for sample in islice(Samples(), number):
        bare = len(json.dumps(sample | {"note": ""}).encode())
        filled = sample | {"note": "x" * (TRANSACTION_BYTES - bare)}
        yield Record(sample["customer_id"], json.dumps(filled).encode())


@dataclass
class Stores:
    """Both stores, reached as an application on this machine reaches them."""

    database: pg8000.native.Connection
    redis: Any

    @property
    def rows(self) -> int:
        return int(self.database.run("SELECT count(*) FROM transactions")[0][0])

    @property
    def row_bytes(self) -> float:
        """Bytes of a transaction in PostgreSQL, with its indexes."""
        return float(self.database.run("SELECT pg_total_relation_size('transactions')")[0][0]) / self.rows

    @property
    def redis_bytes(self) -> int:
        return int(self.redis.info("memory")["used_memory"])


def open_stores(deployment: Deployment) -> Stores:
    ca = str(Files(LOCAL_CLOUD.home.resolve()).ca)
    secrets = deployment.client("secretsmanager")

    def secret(name: str) -> str:
        return str(secrets.get_secret_value(SecretId=deployment.output("security", name))["SecretString"])

    login = json.loads(secret("db_secret_arn"))
    host, _, port = deployment.output("data", "rds_endpoint").partition(":")
    database = pg8000.native.Connection(
        login["username"],
        host=host,
        port=int(port),
        database=deployment.output("data", "rds_database_name"),
        password=login["password"],
        ssl_context=ssl.create_default_context(cafile=ca),
    )
    cache = redis.Redis(
        host=deployment.output("data", "redis_endpoint"),
        port=deployment.output("data", "redis_port"),
        password=secret("redis_secret_arn"),
        ssl=True,
        ssl_ca_certs=ca,
    )
    return Stores(database, cache)


KINDS = {
    "postgres": "PostgreSQL",
    "valkey": "Redis",
    "engines": "TLS of both",
    "localcloud": "emulator and mapping",
}
"""A word of a process's command line -> what the process is; the first that fits. All others are functions."""


def cpu_seconds() -> dict[str, float]:
    """Return the CPU seconds of the local cloud's processes by what they are."""
    cloud = LOCAL_CLOUD.status()
    if cloud is None:
        raise RuntimeError("the local cloud does not run")
    first = psutil.Process(cloud.pid)
    spent: dict[str, float] = defaultdict(float)
    for process in (first, *first.children(recursive=True)):
        with suppress(psutil.Error):
            words, times = " ".join(process.cmdline()), process.cpu_times()
            spent[next((kind for word, kind in KINDS.items() if word in words), "functions")] += (
                times.user + times.system
            )
    return spent


@contextmanager
def stream_with(deployment: Deployment, shards: int) -> Iterator[str]:
    """Give a stream with so many shards and the deployed mapping's settings, for as long as the block runs."""
    kinesis, functions, iam = (deployment.client(service) for service in ("kinesis", "lambda", "iam"))
    deployed = functions.get_event_source_mapping(UUID=deployment.output("processing", "mapping_uuid"))
    copied = ("BatchSize", "StartingPosition", "FunctionResponseTypes", "BisectBatchOnFunctionError")
    name = f"bench-{shards}"
    grant = {"RoleName": deployment.output("security", "kinesis_role_name"), "PolicyName": name}
    with ExitStack() as undo:
        kinesis.create_stream(StreamName=name, ShardCount=shards)
        undo.callback(kinesis.delete_stream, StreamName=name, EnforceConsumerDeletion=True)
        kinesis.get_waiter("stream_exists").wait(StreamName=name)
        arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
        statement = {"Effect": "Allow", "Action": "kinesis:*", "Resource": arn}
        iam.put_role_policy(**grant, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        undo.callback(iam.delete_role_policy, **grant)
        mapping = functions.create_event_source_mapping(
            EventSourceArn=arn,
            FunctionName=deployed["FunctionArn"],
            MaximumRetryAttempts=3,
            **{key: deployed[key] for key in copied},
        )
        undo.callback(functions.delete_event_source_mapping, UUID=mapping["UUID"])
        yield arn


def main() -> None:
    console = Console()
    inv("deploy-all")
    deployment = open_deployment(open_environment(MONOREPO, MONOREPO.environment("local")))
    stores = open_stores(deployment)
    kinesis, stream = deployment.client("kinesis"), deployment.output("streaming", "kinesis_stream_arn")
    Arrivals(kinesis, stores.redis).follow(stream, records(200))  # warm
    rows: list[tuple[str, str, str]] = []

    single = Arrivals(kinesis, stores.redis)
    for record in records(SINGLE):
        single.follow(stream, [record])
    rows.append(("put to both stores, one at a time", _percentiles(single.seconds), _load()))

    loop = Arrivals(kinesis, stores.redis)
    loop.follow(stream, records(round(RATE * RATE_SECONDS)), RATE)
    rows.append(("the same at 1,000 a minute", _percentiles(loop.seconds), _load()))

    known, memory = stores.rows, stores.redis_bytes
    spent: dict[str, float] = defaultdict(float)
    for shards in SHARDS:
        with stream_with(deployment, shards) as own:
            Arrivals(kinesis, stores.redis).follow(own, records(100 * shards))  # warm
            before = cpu_seconds()
            seconds = Arrivals(kinesis, stores.redis).follow(own, records(LOAD))
            for kind, total in cpu_seconds().items():
                spent[kind] += total - before.get(kind, 0)
        rows.append((f"through-put, shards: {shards}", f"{LOAD / seconds:,.0f} a second", _load()))
    stored = stores.rows - known
    put = LOAD * len(SHARDS) + 100 * sum(SHARDS)
    rows.append(("stored of those put", f"{stored:,} of {put:,}", ""))
    for kind, total in spent.items():
        rows.append((f"CPU of {kind}", f"{total / (LOAD * len(SHARDS)) * 1000:.3f} ms a transaction", ""))
    rows.append(("Redis", f"{(stores.redis_bytes - memory) / stored:,.0f} bytes a transaction", ""))
    rows.append(("PostgreSQL", f"{stores.row_bytes:,.0f} bytes a transaction", ""))
    console.print(table("", "measured", "load average", rows=rows, right=("measured", "load average")))


def _percentiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
