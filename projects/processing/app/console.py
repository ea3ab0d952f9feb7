"""The console: answers an operator's query of PostgreSQL, and logs it."""

import json
import os
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
"""How long a query may take."""

ROWS = 1000
PAGE = 50
"""Rows that are fetched at once: 50 MB of the largest transactions."""


class _Session(Database):
    """A session that hands out what a cursor finds."""

    def declare(self, query: str) -> None:
        """Open the cursor `answer` on a query. PostgreSQL takes one statement, and only if it reads.

        The simple protocol, which `run` uses without values, would take several statements.
        """
        with self._translated():
            self._connection.prepare(f"DECLARE answer NO SCROLL CURSOR FOR {query}").run()

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
        """Answer {"sql": a query, "by": who asks}; an error of PostgreSQL is an answer, too."""
        query, by = str(event["sql"]), str(event["by"])
        log("INFO", "an operator asks", sql=query, by=by)
        session = _Session(
            self._settings,
            lambda: (self._settings.db_user, self._credentials.database_token(self._settings.db_user)),
            statement_seconds=self._seconds,
        )
        try:
            answer = _answer(session, query)
        except (RefusedError, UnavailableError) as error:
            answer = {"error": str(error)}
        finally:
            session.close()
        log("INFO", "an operator got an answer", rows=len(answer.get("rows", ())), error=answer.get("error"), by=by)
        return answer


def _answer(session: _Session, query: str) -> dict[str, Any]:
    """Return the first rows: `ROWS` of them or `ANSWER_BYTES` at most."""
    rows: list[Any] = []
    size, more = 0, False
    with session.transaction():
        session.declare(query)
        while not more and (page := session.run(f"FETCH {PAGE} FROM answer")):
            for row in page:
                text = json.dumps(row, default=str)
                size += len(text)
                if more := size > ANSWER_BYTES or len(rows) == ROWS:
                    break
                rows.append(json.loads(text))
        return {"columns": session.columns(), "rows": rows, "more": more}


@cache
def _console() -> Console:
    settings = Settings.read(os.environ)
    return Console(settings, AwsCredentials(settings))


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Answer an operator's query."""
    return _console().handle(event)
