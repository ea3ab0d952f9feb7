"""Completes RDS: the servers of instances, what MiniStack drops of them, and event subscriptions."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions import servers
from tools.localcloud.completions.call import Completion, Failed, Refused, kept
from tools.localcloud.completions.wires import WholeForm, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.localcloud.completions.call import Call

SUBSCRIPTIONS: Final = "event subscriptions"
SECRET: Final = "MasterUserSecret"  # noqa: S105 - a name in AWS's API
EXPORTS: Final = "EnabledCloudwatchLogsExports"
INSIGHTS: Final = ("PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod")
GIVEN: Final = {
    "AutoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "DatabaseInsightsMode": "DatabaseInsightsMode",
    "EnablePerformanceInsights": "PerformanceInsightsEnabled",
    "EngineLifecycleSupport": "EngineLifecycleSupport",
    "PerformanceInsightsKMSKeyId": "PerformanceInsightsKMSKeyId",
    "PerformanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
    "PreferredBackupWindow": "PreferredBackupWindow",
    "StorageThroughput": "StorageThroughput",
}
"""Argument that MiniStack drops or ignores in a change -> its name in the description."""
MOST_SNAPSHOTS: Final = 20
"""How many are kept, each with a copy of its data: 40 MB and what is stored. RDS keeps 100."""
DEFAULTS: Final = {
    "DatabaseInsightsMode": "standard",
    "EngineLifecycleSupport": "open-source-rds-extended-support",
    EXPORTS: [],
}
"""https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html"""


# Instances.


def _keep(call: Call, instance: dict[str, Any]) -> None:
    """Keep in an instance's record what MiniStack drops of a request."""
    given = call.request
    instance |= {shown: given[name] for name, shown in GIVEN.items() if name in given}
    change = given.get("CloudwatchLogsExportConfiguration", {})
    enabled = {*instance.get(EXPORTS, ()), *given.get("EnableCloudwatchLogsExports", ())}
    enabled |= set(change.get("EnableLogTypes", ()))
    instance[EXPORTS] = sorted(enabled - set(change.get("DisableLogTypes", ())))
    instance.setdefault(SECRET, None)


def described(call: Call, instance: dict[str, Any]) -> dict[str, Any]:
    """Return an instance of MiniStack's as AWS describes it."""
    record = call.store("_instances").get(instance["DBInstanceIdentifier"], {})
    names = {*GIVEN.values(), EXPORTS, SECRET, "Endpoint"} & record.keys()
    shown = instance | DEFAULTS | {name: record[name] for name in names if record[name] not in (None, "")}
    if not shown["PerformanceInsightsEnabled"]:
        for name in INSIGHTS:
            shown.pop(name, None)
    return {name: value for name, value in shown.items() if value != ""}


async def _describe_instances(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    return answer | {"DBInstances": [described(call, each) for each in answer["DBInstances"]]}


async def _create_instance(call: Call) -> dict[str, Any]:
    managed = call.request.get("ManageMasterUserPassword")
    password = _password() if managed else call.request.get("MasterUserPassword", "")
    instance = await create_instance_as(call, call.request, lambda made: servers.create_instance(made, password))
    if managed:
        await _create_secret(call, instance, password)
    return {"DBInstance": described(call, instance)}


async def create_instance_as(
    call: Call, request: dict[str, Any], start: Callable[[servers.Record], None]
) -> servers.Record:
    """Let MiniStack create the instance of a request, start its server, and return its record.

    Raises:
        Refused: the server does not start; the instance is gone again.
    """
    # The server has the true password, MiniStack a file.
    without_secret = request | {"MasterUserPassword": _password()}
    answer = await call.ask("rds", WholeForm("rds", "CreateDBInstance"), **without_secret)
    name = answer["DBInstance"]["DBInstanceIdentifier"]
    instance: servers.Record = call.store("_instances")[name]
    try:
        await servers.change(lambda: start(instance))
    except Refused:
        await call.ask("rds", WholeForm("rds", "DeleteDBInstance"), DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        servers.delete(instance)
        raise
    _keep(call, instance)
    return instance


async def _modify_instance(call: Call) -> dict[str, Any]:
    given = call.request
    without = {name: value for name, value in given.items() if name != "MasterUserPassword"}
    answer = await call.ask("rds", call.wire, **without)
    instance = call.store("_instances")[answer["DBInstance"]["DBInstanceIdentifier"]]
    _keep(call, instance)
    if "DBSubnetGroupName" in given:
        instance["DBSubnetGroup"] = call.store("_subnet_groups")[given["DBSubnetGroupName"]]
    managed, password = given.get("ManageMasterUserPassword"), given.get("MasterUserPassword")
    if managed is False:
        await _delete_secret(call, instance)
    elif managed and not instance[SECRET]:
        password = _password()
        await _create_secret(call, instance, password)
    elif given.get("MasterUserSecretKmsKeyId") and instance[SECRET]:
        key = given["MasterUserSecretKmsKeyId"]
        await call.ask(
            "secretsmanager", Wire("UpdateSecret"), SecretId=instance[SECRET]["SecretArn"], KmsKeyId=key,
            ClientRequestToken=str(uuid.uuid4()),
        )  # fmt: skip
        instance[SECRET]["KmsKeyId"] = key
    if password:
        await servers.change(lambda: servers.set_password(instance, password))
    if given.get("NewDBInstanceIdentifier"):
        _rename(call, instance, given["NewDBInstanceIdentifier"])
    if given.get("DBPortNumber", instance["Endpoint"]["Port"]) != instance["Endpoint"]["Port"]:
        instance["Endpoint"]["Port"] = given["DBPortNumber"]
        await servers.change(lambda: servers.start_instance(instance))
    return {"DBInstance": described(call, answer["DBInstance"])}


def _rename(call: Call, instance: dict[str, Any], name: str) -> None:
    instances, tags = call.store("_instances"), call.store("_tags")
    if name in instances:
        raise Refused("DBInstanceAlreadyExists", f"DBInstance {name} already exists.")
    old, arn = instance["DBInstanceIdentifier"], call.arn(f"db:{name}")
    tags[arn] = tags.pop(instance["DBInstanceArn"], [])
    instance |= {"DBInstanceIdentifier": name, "DBInstanceArn": arn}
    instances[name] = instances.pop(old)


async def _change_state(call: Call) -> dict[str, Any]:
    """Start the server of an instance, anew if it runs, or stop it."""
    answer = await call.proceed()
    instance = call.store("_instances")[answer["DBInstance"]["DBInstanceIdentifier"]]
    act = servers.stop if call.wire.operation == "StopDBInstance" else servers.start_instance
    await servers.change(lambda: act(instance))
    return {"DBInstance": described(call, answer["DBInstance"])}


async def _delete_instance(call: Call) -> dict[str, Any]:
    given = call.request
    if not given.get("SkipFinalSnapshot") and not given.get("FinalDBSnapshotIdentifier"):
        text = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
        raise Refused("InvalidParameterCombination", text)
    instance, last = call.store("_instances").get(given["DBInstanceIdentifier"], {}), None
    if not given.get("SkipFinalSnapshot"):
        last = given["FinalDBSnapshotIdentifier"]
        require_snapshot_possible(call, last)
    answer = await call.proceed()
    if last:
        await asyncio.to_thread(servers.stop, instance)
        await servers.change(lambda: servers.take_snapshot(instance, call.store("_snapshots")[last]))
    await servers.change(lambda: servers.delete(instance))
    await _delete_secret(call, instance)
    return answer


def require_snapshot_possible(call: Call, name: str) -> None:
    """Check that there may be another snapshot, of this name.

    Raises:
        Refused: there may not.
    """
    snapshots = call.store("_snapshots")
    if name in snapshots:
        raise Refused("DBSnapshotAlreadyExists", f"Snapshot {name} already exists.")
    if len([*snapshots.values()]) >= MOST_SNAPSHOTS:
        text = f"The local cloud keeps {MOST_SNAPSHOTS} snapshots: delete one first."
        raise Refused("SnapshotQuotaExceeded", text)


# Managed passwords, which are never rotated.


def _password() -> str:
    return secrets.token_urlsafe(24)


async def _create_secret(call: Call, instance: dict[str, Any], password: str) -> None:
    key = call.request.get("MasterUserSecretKmsKeyId")
    made = await call.ask(
        "secretsmanager", Wire("CreateSecret"),
        Name=f"rds!db-{uuid.uuid4()}",
        Description=f"The master password of {instance['DBInstanceIdentifier']}",
        SecretString=json.dumps({"username": instance["MasterUsername"], "password": password}),
        ClientRequestToken=str(uuid.uuid4()),
        **({"KmsKeyId": key} if key else {}),
    )  # fmt: skip
    shown = {"SecretArn": made["ARN"], "SecretStatus": "active"}
    instance[SECRET] = shown | ({"KmsKeyId": key} if key else {})


async def _delete_secret(call: Call, instance: dict[str, Any]) -> None:
    secret = instance.get(SECRET)
    if secret:
        instance[SECRET] = None
        delete = Wire("DeleteSecret")
        with suppress(Failed):  # somebody may have deleted it
            await call.ask("secretsmanager", delete, SecretId=secret["SecretArn"], ForceDeleteWithoutRecovery=True)


# Event subscriptions, of which no event comes.


def _subscription(call: Call) -> dict[str, Any]:
    name = call.request["SubscriptionName"]
    found: dict[str, Any] | None = kept(SUBSCRIPTIONS).get(name)
    if found is None:
        raise Refused("SubscriptionNotFound", f"Event subscription {name} not found.")
    return found


async def _create_subscription(call: Call) -> dict[str, Any]:
    given, name = call.request, call.request["SubscriptionName"]
    if name in kept(SUBSCRIPTIONS):
        raise Refused("SubscriptionAlreadyExist", f"Event subscription {name} already exists.")
    arn = call.arn(f"es:{name}")
    kept(SUBSCRIPTIONS)[name] = {
        "CustomerAwsId": arn.split(":")[4],
        "CustSubscriptionId": name,
        "EventSubscriptionArn": arn,
        "SnsTopicArn": given["SnsTopicArn"],
        "SourceType": given.get("SourceType"),
        "SourceIdsList": given.get("SourceIds", []),
        "EventCategoriesList": given.get("EventCategories", []),
        "Enabled": given.get("Enabled", True),
        "Status": "active",
        "SubscriptionCreationTime": datetime.now(UTC).isoformat(" ", "seconds"),
    }
    if given.get("Tags"):
        await call.ask("rds", WholeForm("rds", "AddTagsToResource"), ResourceName=arn, Tags=given["Tags"])
    return {"EventSubscription": _subscription(call)}


async def _modify_subscription(call: Call) -> dict[str, Any]:
    given, found = call.request, _subscription(call)
    found |= {name: given[name] for name in ("SnsTopicArn", "SourceType", "Enabled") if name in given}
    found["EventCategoriesList"] = given.get("EventCategories", found["EventCategoriesList"])
    return {"EventSubscription": found}


async def _describe_subscriptions(call: Call) -> dict[str, Any]:
    found = [_subscription(call)] if "SubscriptionName" in call.request else kept(SUBSCRIPTIONS).values()
    return {"EventSubscriptionsList": found}


async def _delete_subscription(call: Call) -> dict[str, Any]:
    found = _subscription(call)
    del kept(SUBSCRIPTIONS)[found["CustSubscriptionId"]]
    call.store("_tags").pop(found["EventSubscriptionArn"], None)
    return {"EventSubscription": found}


async def _add_source(call: Call) -> dict[str, Any]:
    found = _subscription(call)
    found["SourceIdsList"] = sorted({*found["SourceIdsList"], call.request["SourceIdentifier"]})
    return {"EventSubscription": found}


async def _remove_source(call: Call) -> dict[str, Any]:
    found = _subscription(call)
    found["SourceIdsList"] = sorted({*found["SourceIdsList"]} - {call.request["SourceIdentifier"]})
    return {"EventSubscription": found}


COMPLETIONS: Final = (
    Completion(
        "rds",
        "a server for each instance of PostgreSQL that is not of a cluster or a replica, and takes new "
        "parameters when it starts; managed master passwords, which are never rotated; log exports, Performance "
        "Insights and backup windows",
        {
            "CreateDBInstance": _create_instance,
            "ModifyDBInstance": _modify_instance,
            "DescribeDBInstances": _describe_instances,
            "DeleteDBInstance": _delete_instance,
            "RebootDBInstance": _change_state,
            "StartDBInstance": _change_state,
            "StopDBInstance": _change_state,
        },
    ),
    Completion(
        "rds",
        "event subscriptions, of which no event comes",
        {
            "CreateEventSubscription": _create_subscription,
            "ModifyEventSubscription": _modify_subscription,
            "DescribeEventSubscriptions": _describe_subscriptions,
            "DeleteEventSubscription": _delete_subscription,
            "AddSourceIdentifierToSubscription": _add_source,
            "RemoveSourceIdentifierFromSubscription": _remove_source,
        },
    ),
)
