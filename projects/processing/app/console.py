"""The console: answers an operator's query of PostgreSQL, and logs it."""

import json
import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from .credentials import AwsCredentials, Credentials
from .database import Database
from .errors import RefusedError, UnavailableError
from .queries import ANSWER_BYTES
from .settings import Settings
from .telemetry import log

QUERY_SECONDS = 30
"""How long a query may take, with all its rows."""

ROWS = 1000


class _Session(Database):
    """A session that hands out what a cursor finds."""

    def declare(self, query: str) -> None:
        """Open the cursor `answer` on a query. PostgreSQL takes one statement, and only if it reads.

        The simple protocol, which `run` uses without values, would take several statements. `prepare` would take a
        colon for the start of a parameter.
        """
        with self._translated():
            self._connection.execute_unnamed(f"DECLARE answer NO SCROLL CURSOR FOR {query}")

    def fetch(self, seconds: float) -> list[list[Any]]:
        """Return the next row of `answer`, if there is one: a query that set the time limit itself has this one."""
        milliseconds = max(1, int(seconds * 1000))  # 0 would be no limit
        return self.run(f"SET LOCAL statement_timeout = {milliseconds}; FETCH answer")

    def columns(self) -> list[str]:
        """Return the names of the columns of the last rows."""
        return [column["name"] for column in self._connection.columns]


class Console:
    """Logs in as `tx_operator`, anew for each query, so that no query changes the session of another."""

    def __init__(self, settings: Settings, credentials: Credentials, *, seconds: float = QUERY_SECONDS) -> None:
        self._settings = settings
        self._credentials = credentials
        self._seconds = seconds

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer {"sql": a query, "by": who asks}; an error of PostgreSQL is an answer, too.

        The log has no error, because PostgreSQL's messages quote values.
        """
        query, by = str(event["sql"]), str(event["by"])
        log("INFO", "an operator asks", sql=query, by=by)
        session = _Session(
            self._settings,
            lambda: (self._settings.db_user, self._credentials.database_token(self._settings.db_user)),
            statement_seconds=self._seconds,
        )
        try:
            answer = _answer(session, query, self._seconds)
        except (RefusedError, UnavailableError) as error:
            answer = {"error": str(error)}
        finally:
            session.close()
        log("INFO", "an operator got an answer", rows=len(answer.get("rows", ())), failed="error" in answer, by=by)
        return answer


def _answer(session: _Session, query: str, seconds: float) -> dict[str, Any]:
    """Return the first rows: `ROWS` of them or `ANSWER_BYTES` at most. They are fetched one by one to save memory.

    Raises:
        RefusedError: the first row alone is larger, or PostgreSQL does not take the query.
        UnavailableError: PostgreSQL does not answer in time, or refuses the query for another reason.
    """
    rows: list[Any] = []
    size, more, ends = 0, False, time.monotonic() + seconds
    with session.transaction():
        session.run("SET TRANSACTION READ ONLY")
        session.declare(query)
        while found := session.fetch(ends - time.monotonic()):
            text = json.dumps(found[0], default=str)
            size += len(text)
            if more := size > ANSWER_BYTES or len(rows) == ROWS:
                break
            rows.append(json.loads(text))
        if more and not rows:
            raise RefusedError(f"the first row is larger than {ANSWER_BYTES // 1_000_000} MB: ask for less of it")
        return {"columns": session.columns(), "rows": rows, "more": more}


@cache
def _console() -> Console:
    settings = Settings.read(os.environ)
    return Console(settings, AwsCredentials(settings))


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Answer an operator's query."""
    return _console().handle(event)
