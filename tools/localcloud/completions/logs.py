"""Completes CloudWatch Logs."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions import metrics
from tools.localcloud.completions.call import Completion, Refused, kept

if TYPE_CHECKING:
    from tools.localcloud.completions.call import Call

QUERIES: Final = "query definitions"
POLICY: Final = "dataProtectionPolicy"
PROTECTED: Final = "deletionProtectionEnabled"


def _group(call: Call) -> dict[str, Any]:
    """Return MiniStack's record of the log group that a request names, by its name or its ARN."""
    given = call.request
    name = str(given.get("logGroupName") or given.get("logGroupIdentifier") or given.get("resourceIdentifier"))
    name = name.removesuffix(":*").partition(":log-group:")[2] or name
    group: dict[str, Any] | None = call.store("_log_groups").get(name)
    if group is None:
        raise Refused("ResourceNotFoundException", f"The specified log group does not exist: {name}")
    return group


async def _associate_key(call: Call) -> dict[str, Any]:
    _group(call)["kmsKeyId"] = call.request["kmsKeyId"]
    return {}


async def _disassociate_key(call: Call) -> dict[str, Any]:
    _group(call)["kmsKeyId"] = None
    return {}


async def _create_group(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    _group(call)[PROTECTED] = call.request.get(PROTECTED, False)
    return answer


async def _protect_group(call: Call) -> dict[str, Any]:
    _group(call)[PROTECTED] = call.request[PROTECTED]
    return {}


async def _delete_group(call: Call) -> dict[str, Any]:
    if _group(call).get(PROTECTED):
        name = call.request["logGroupName"]
        raise Refused("OperationAbortedException", f"Deletion protection is enabled for log group {name}")
    return await call.proceed()


async def _describe_groups(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    groups = call.store("_log_groups")
    for shown in answer["logGroups"]:
        record = groups[shown["logGroupName"]]
        shown[PROTECTED] = record.get(PROTECTED, False)
        if record.get(POLICY):
            shown["dataProtectionStatus"] = "ACTIVATED"
    return answer


async def _put_events(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    lines = [event["message"] for event in call.request["logEvents"]]
    for line in lines:
        metrics.embedded(line)
    metrics.filtered(call.request["logGroupName"], lines)
    return answer


def _policy(call: Call, found: dict[str, Any]) -> dict[str, Any]:
    return {"logGroupIdentifier": call.request["logGroupIdentifier"], **found}


async def _put_policy(call: Call) -> dict[str, Any]:
    found = {"policyDocument": call.request["policyDocument"], "lastUpdatedTime": _now()}
    _group(call)[POLICY] = found
    return _policy(call, found)


async def _get_policy(call: Call) -> dict[str, Any]:
    return _policy(call, _group(call).get(POLICY) or {})


async def _delete_policy(call: Call) -> dict[str, Any]:
    _group(call).pop(POLICY, None)
    return {}


async def _put_query(call: Call) -> dict[str, Any]:
    identity = call.request.get("queryDefinitionId")
    if identity and identity not in kept(QUERIES):
        raise Refused("ResourceNotFoundException", f"The query definition does not exist: {identity}")
    identity = identity or str(uuid.uuid4())
    names = ("name", "queryString", "queryLanguage", "logGroupNames", "parameters")
    given = {name: call.request[name] for name in names if name in call.request}
    kept(QUERIES)[identity] = {"queryDefinitionId": identity, "lastModified": _now(), **given}
    return {"queryDefinitionId": identity}


async def _describe_queries(call: Call) -> dict[str, Any]:
    """Return all definitions with a prefix in one page."""
    prefix = call.request.get("queryDefinitionNamePrefix", "")
    found = [each for each in kept(QUERIES).values() if each["name"].startswith(prefix)]
    return {"queryDefinitions": sorted(found, key=lambda each: str(each["name"]))}


async def _delete_query(call: Call) -> dict[str, Any]:
    identity = call.request["queryDefinitionId"]
    if kept(QUERIES).pop(identity, None) is None:
        raise Refused("ResourceNotFoundException", f"The query definition does not exist: {identity}")
    return {"success": True}


def _now() -> int:
    return int(time.time() * 1000)


COMPLETIONS: Final = (
    Completion(
        "logs", "the change of a log group's key",
        {"AssociateKmsKey": _associate_key, "DisassociateKmsKey": _disassociate_key},
    ),
    Completion(
        "logs", "the protection of a log group from deletion",
        {
            "CreateLogGroup": _create_group,
            "PutLogGroupDeletionProtection": _protect_group,
            "DeleteLogGroup": _delete_group,
            "DescribeLogGroups": _describe_groups,
        },
    ),
    Completion(
        "logs", "data protection policies, which mask nothing",
        {
            "PutDataProtectionPolicy": _put_policy,
            "GetDataProtectionPolicy": _get_policy,
            "DeleteDataProtectionPolicy": _delete_policy,
        },
    ),
    Completion("logs", "the metrics of metric filters and of embedded metrics", {"PutLogEvents": _put_events}),
    Completion(
        "logs", "saved queries",
        {
            "PutQueryDefinition": _put_query,
            "DescribeQueryDefinitions": _describe_queries,
            "DeleteQueryDefinition": _delete_query,
        },
    ),
)  # fmt: skip
