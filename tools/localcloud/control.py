"""Answers the local cloud's own requests to the emulator's process: which servers run, and to start them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tools.localcloud.completions import servers
from tools.localcloud.servers.status import SERVERS, STATUSES

if TYPE_CHECKING:
    from tools.localcloud.gate import App, Message, Receive, Send


def with_servers(app: App) -> App:
    """Return an application that answers what is sent to `SERVERS`, and lets `app` answer the rest."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != SERVERS:
            await app(scope, receive, send)
            return
        if scope["method"] == "POST":
            await asyncio.to_thread(servers.start_all)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": STATUSES.dump_json(servers.status())})

    return answer


def stop_servers() -> None:
    """Stop all servers."""
    servers.fleet().stop_all()
