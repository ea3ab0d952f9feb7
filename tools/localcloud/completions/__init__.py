"""Completes MiniStack's APIs where a genuine AWS provider, or the local cloud's own, misses something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions import (
    backup,
    cloudwatch,
    ec2,
    elasticache,
    kinesis,
    lambda_,
    logs,
    rds,
    rds_snapshots,
    refusals,
)
from tools.localcloud.completions.call import KEPT, Call, Failed, Refused, kept
from tools.localcloud.completions.wires import wire

if TYPE_CHECKING:
    from tools.localcloud.completions.call import Answer, Completion, Handler, Run

COMPLETIONS: Final[tuple[Completion, ...]] = (
    *ec2.COMPLETIONS,
    *backup.COMPLETIONS,
    *rds.COMPLETIONS,
    *rds_snapshots.COMPLETIONS,
    *elasticache.COMPLETIONS,
    *cloudwatch.COMPLETIONS,
    *logs.COMPLETIONS,
    *kinesis.COMPLETIONS,
    *lambda_.COMPLETIONS,
    *refusals.COMPLETIONS,
)


def install(app: Any) -> None:
    """Put the completions before the handlers of MiniStack's application, and let it save what they keep."""
    app.SERVICE_REGISTRY[KEPT] = {"module": KEPT}
    app._state_map[KEPT] = KEPT
    app._loaded_modules[KEPT] = kept
    handlers = dict(app.SERVICE_HANDLERS)
    for service in {completion.service for completion in COMPLETIONS}:
        app.SERVICE_HANDLERS[service] = _completed(service, handlers)


def _completed(service: str, handlers: dict[str, Handler]) -> Handler:
    """Return a handler of a service that answers what is completed, and lets MiniStack answer the rest."""
    own = [completion for completion in COMPLETIONS if completion.service == service]
    runs = {name: run for each in own for name, run in each.operations.items()}
    checks = {name: check for each in own for name, check in each.refusals.items()}

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Answer:
        found = wire(service, (method, path), headers, body, {*runs, *checks})
        if found is None:
            return await handlers[service](method, path, headers, body, query)
        run: Run = runs.get(found.operation, Call.proceed)
        content = {"Content-Type": found.content_type}
        call = Call(service, found, found.request(body), handlers)
        try:
            if found.operation in checks:
                checks[found.operation](call)
            answer = await run(call)
            return 200, content, found.reply(answer)
        except Failed as failed:
            return failed.answer
        except Refused as refused:
            return 400, content, found.error(refused.code, str(refused))

    return handle
