"""The last hours of transactions in Redis. Writing one again changes nothing and prolongs nothing.

`tx:{transaction_id}` is the body until its time in history is over.
`customer:{customer_id}` is a sorted set of ids by `occurred_at`.
"""

import json
import socket
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .credentials import Credentials
from .database import CONNECT_SECONDS, READ_SECONDS
from .errors import UnavailableError
from .patience import REUSE_SECONDS, Idleness, unlimited
from .settings import Settings

STAGES = ("AWSCURRENT", "AWSPREVIOUS", "AWSPENDING")
"""The token's versions in the order in which they are tried: in a rotation Redis may know any two of them."""


NO_ANSWER = (redis.ConnectionError, redis.TimeoutError, OSError)


class Remembered(Protocol):
    """What history keeps of a transaction."""

    @property
    def transaction_id(self) -> str: ...
    @property
    def customer_id(self) -> str: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def body(self) -> str: ...


class History:
    """A connection with Redis, opened when it is needed and dropped after every error."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        *,
        read_seconds: float = READ_SECONDS,
        reuse_seconds: float = REUSE_SECONDS,
    ) -> None:
        self._settings = settings
        self._read_seconds = read_seconds
        self._idleness = Idleness(reuse_seconds)
        self._credentials = credentials
        self._client: Any = None
        self._token: str | None = None

    def remember(self, transactions: Sequence[Remembered]) -> None:
        """Write the transactions that are young enough.

        Raises:
            UnavailableError: Redis does not take them.
        """
        now, kept = time.time(), self._settings.history_seconds
        young = [each for each in transactions if _expires_at(each.occurred_at, kept) > now]
        customers: dict[str, list[Remembered]] = defaultdict(list)
        for transaction in young:
            customers[transaction.customer_id].append(transaction)
        with self._connected() as client:
            pipeline = client.pipeline(transaction=False)
            for transaction in young:
                expires_at = _expires_at(transaction.occurred_at, kept)
                pipeline.set(f"tx:{transaction.transaction_id}", transaction.body, exat=expires_at)
            for customer_id, theirs in customers.items():
                key = f"customer:{customer_id}"
                pipeline.zadd(key, {each.transaction_id: each.occurred_at.timestamp() for each in theirs})
                pipeline.zremrangebyscore(key, "-inf", now - kept)
                expires_at = _expires_at(max(each.occurred_at for each in theirs), kept)
                pipeline.expireat(key, expires_at, nx=True)  # `gt` alone sets nothing on a key that never expires
                pipeline.expireat(key, expires_at, gt=True)
            pipeline.execute()

    def find(self, transaction_id: str) -> list[dict[str, Any]]:
        """Return the transaction and when it expires, or nothing.

        Raises:
            UnavailableError: Redis does not answer.
        """
        return self._read([transaction_id])

    def of_customer(self, customer_id: str, limit: int) -> list[dict[str, Any]]:
        """Return a customer's newest transactions.

        Raises:
            UnavailableError: Redis does not answer.
        """
        with self._connected() as client:
            ids = client.zrange(f"customer:{customer_id}", 0, limit - 1, desc=True)
        return self._read(ids)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(redis.RedisError, OSError):
                client.close()

    def _read(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        with self._connected() as client:
            pipeline = client.pipeline(transaction=False)
            for transaction_id in ids:
                pipeline.get(f"tx:{transaction_id}")
                pipeline.expiretime(f"tx:{transaction_id}")
            answers = iter(pipeline.execute())
        found = [(transaction_id, next(answers), next(answers)) for transaction_id in ids]
        return [
            {"transaction_id": transaction_id, "expires_at": expires_at, "body": json.loads(body)}
            for transaction_id, body, expires_at in found
            if body is not None
        ]

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        if self._idleness.too_long():
            self.close()
        try:
            if self._client is None:
                with unlimited():
                    self._client = self._connect()
            with unlimited():
                yield self._client
        except (redis.RedisError, OSError) as error:
            self.close()
            says = "does not answer" if isinstance(error, NO_ANSWER) else "says"
            raise UnavailableError(f"Redis {says}: {error}") from None

    def _connect(self) -> Any:
        for token in self._tokens():
            self._token = token  # it is not read again while Redis is away
            try:
                return self._open(token)
            except redis.AuthenticationError:
                self._token = None
        raise UnavailableError("Redis takes none of the tokens of its secret")

    def _tokens(self) -> Iterator[str]:
        """Yield the token that was not refused yet, and then the secret's, read anew."""
        if self._token is not None:
            yield self._token
        for stage in STAGES:
            if token := self._credentials.redis_token(stage):
                yield token

    def _open(self, token: str) -> Any:
        """Connect and log in."""
        keepalive = {socket.TCP_USER_TIMEOUT: READ_SECONDS * 1000} if hasattr(socket, "TCP_USER_TIMEOUT") else {}
        return redis.Redis(
            host=self._settings.redis_host,
            port=self._settings.redis_port,
            password=token,
            ssl=True,  # and verified: redis checks the chain and the host
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=self._read_seconds,
            socket_keepalive=True,
            socket_keepalive_options=keepalive,  # not on macOS
            retry=Retry(NoBackoff(), 0),  # the consumer waits
            single_connection_client=True,  # which connects at once
            decode_responses=True,
        )


def _expires_at(occurred_at: datetime, seconds: int) -> int:
    return int(occurred_at.timestamp()) + seconds
