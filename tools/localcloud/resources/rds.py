"""Describes RDS's instances, their groups and event subscriptions. Changes never wait for the maintenance window."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.rds_api import TAGGING, by_name, set_parameters
from tools.localcloud.schema.spec import DEFAULT_DESCRIPTION, Setter, Spec, keys
from tools.localcloud.schema.validators import (
    Known,
    arns,
    between,
    each_has,
    exclusive,
    identifier,
    length,
    matches,
    needs,
    one_of,
    window,
)

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext

HALF_HOUR = 30
"""The shortest window, in minutes."""
PASSWORD = (8, 128)  # characters of a PostgreSQL master password


def _parameters(ctx: ResourceContext) -> list[dict[str, Any]]:
    pages = ctx.client("rds").get_paginator("describe_db_parameters")
    found = [p for page in pages.paginate(DBParameterGroupName=ctx.id, Source="user") for p in page["Parameters"]]
    return [
        {"name": p["ParameterName"], "value": p["ParameterValue"], "applyMethod": p.get("ApplyMethod", "immediate")}
        for p in found
    ]


def _set_parameters(ctx: ResourceContext) -> None:
    def send(verb: str, parameters: list[dict[str, str]]) -> None:
        explicit = [{"ApplyMethod": "immediate"} | each for each in parameters]
        ctx.call(f"{verb}_db_parameter_group", DBParameterGroupName=ctx.id, Parameters=explicit)

    set_parameters(ctx, _parameters(ctx), send)


def _read_group(ctx: ResourceContext) -> dict[str, Any] | None:
    group = ctx.first("describe_db_parameter_groups", "DBParameterGroups", DBParameterGroupName=ctx.id)
    return group and group | {"Parameters": _parameters(ctx)}


# Instances.


def _engine(news: Known) -> str | None:
    version = str(news.get("engineVersion") or "")
    if news.get("engine") == "postgres" and version and not re.fullmatch(r"\d+(\.\d+)?", version):
        return f"engineVersion {version!r} is not a version of PostgreSQL"
    return None


def _storage(news: Known) -> str | None:
    size, most = news.get("allocatedStorage"), news.get("maxAllocatedStorage")
    if size and most and most <= size:
        return f"maxAllocatedStorage {most} must be more than allocatedStorage {size}"
    return None


def _manage_password(ctx: ResourceContext) -> None:
    """Let RDS manage the master's password, or set the program's own again."""
    managed = bool(ctx.get("manageMasterUserPassword"))
    ctx.call(
        "modify_db_instance",
        DBInstanceIdentifier=ctx.id,
        ManageMasterUserPassword=managed,
        MasterUserSecretKmsKeyId=ctx.get("masterUserSecretKmsKeyId") if managed else None,
        MasterUserPassword=None if managed else ctx.write_only_values.get("passwordWo"),
        ApplyImmediately=True,
    )


def _export_logs(ctx: ResourceContext) -> None:
    have = set((_read_instance(ctx) or {}).get("EnabledCloudwatchLogsExports", ()))
    wanted = set(ctx.get("enabledCloudwatchLogsExports") or ())
    ctx.call(
        "modify_db_instance",
        DBInstanceIdentifier=ctx.id,
        CloudwatchLogsExportConfiguration={
            "EnableLogTypes": sorted(wanted - have),
            "DisableLogTypes": sorted(have - wanted),
        },
    )


def _create_instance(ctx: ResourceContext) -> str:
    password = ctx.write_only_values.get("passwordWo")
    if password is None and not ctx.get("manageMasterUserPassword"):
        raise ctx.error("InvalidParameterValue", "passwordWo or manageMasterUserPassword must be given")
    given = {} if password is None else {"MasterUserPassword": password}
    if ctx.get("restoreToPointInTime"):
        text = "The local cloud keeps no backups to restore to a point in time from: restore a snapshot."
        raise ctx.error("PointInTimeRestoreNotEnabled", text)
    if ctx.get("snapshotIdentifier"):
        return _restore_instance(ctx, given)
    return ctx.create("create_db_instance", "DBInstance.DBInstanceIdentifier", **given)


def _restore_instance(ctx: ResourceContext, password: dict[str, str]) -> str:
    """Restore a snapshot, then set what the restore does not take, as hashicorp/aws does."""
    restore = "restore_db_instance_from_db_snapshot"
    model = ctx.client("rds").meta.service_model.operation_model("RestoreDBInstanceFromDBSnapshot")
    given = ctx.arguments((CHANGEABLE | keys("identifier port snapshotIdentifier")) & ctx.inputs.keys())
    taken = {name: value for name, value in given.items() if name in model.input_shape.members}
    later = {name: value for name, value in given.items() if name not in taken}
    ctx.id = str(ctx.call(restore, **taken)["DBInstance"]["DBInstanceIdentifier"])
    if ctx.get("manageMasterUserPassword"):
        _manage_password(ctx)
    ctx.call("modify_db_instance", DBInstanceIdentifier=ctx.id, ApplyImmediately=True, **later, **password)
    _export_logs(ctx)
    return ctx.id


def _read_instance(ctx: ResourceContext) -> dict[str, Any] | None:
    instance = ctx.first("describe_db_instances", "DBInstances", DBInstanceIdentifier=ctx.id)
    if instance is None:
        return None
    where, secret = instance.get("Endpoint") or {}, instance.get("MasterUserSecret")
    return instance | {
        "EndpointText": f"{where.get('Address')}:{where.get('Port')}",
        "ManageMasterUserPassword": bool(secret),
        "MasterUserSecrets": [secret] if secret else [],
        "DBSnapshotIdentifier": ctx.state.get("snapshotIdentifier"),  # which AWS does not tell
    }


def _delete_instance(ctx: ResourceContext) -> None:
    skip = bool(ctx.get("skipFinalSnapshot"))
    ctx.call(
        "delete_db_instance",
        DBInstanceIdentifier=ctx.id,
        SkipFinalSnapshot=skip,
        FinalDBSnapshotIdentifier=None if skip else ctx.get("finalSnapshotIdentifier"),
        DeleteAutomatedBackups=bool(ctx.get("deleteAutomatedBackups")),
    )


def _new_password(ctx: ResourceContext) -> None:
    if not ctx.get("manageMasterUserPassword"):
        ctx.call(
            "modify_db_instance",
            DBInstanceIdentifier=ctx.id,
            MasterUserPassword=ctx.write_only_values.get("passwordWo"),
            ApplyImmediately=True,
        )


def _change_sources(ctx: ResourceContext) -> None:
    found = ctx.first("describe_event_subscriptions", "EventSubscriptionsList", SubscriptionName=ctx.id) or {}
    have, wanted = set(found.get("SourceIdsList", ())), set(ctx.get("sourceIds") or ())
    for call, sources in (
        ("add_source_identifier_to_subscription", wanted - have),
        ("remove_source_identifier_from_subscription", have - wanted),
    ):
        for source in sorted(sources):
            ctx.call(call, SubscriptionName=ctx.id, SourceIdentifier=source)


SUBSCRIPTION = keys("snsTopic sourceType eventCategories")
SOURCES = (
    "db-instance", "db-parameter-group", "db-security-group", "db-snapshot", "db-cluster", "db-cluster-snapshot",
    "custom-engine-version", "db-proxy", "blue-green-deployment", "",
)  # fmt: skip
"""hashicorp/aws 5.100 lists them; botocore's model only has some of them."""
CHANGEABLE = keys(
    "allocatedStorage autoMinorVersionUpgrade backupRetentionPeriod backupWindow "
    "caCertIdentifier copyTagsToSnapshot dbSubnetGroupName deletionProtection engineVersion "
    "iamDatabaseAuthenticationEnabled instanceClass maintenanceWindow maxAllocatedStorage "
    "monitoringInterval monitoringRoleArn multiAz parameterGroupName performanceInsightsEnabled "
    "performanceInsightsKmsKeyId performanceInsightsRetentionPeriod publiclyAccessible "
    "storageType vpcSecurityGroupIds databaseInsightsMode engineLifecycleSupport"
)

SPECS = (
    Spec(
        kind="aws:rds/subnetGroup:SubnetGroup",
        client="rds",
        required=keys("subnetIds"),
        force_new=keys("name"),
        updatable=keys("description subnetIds tags"),
        outputs=keys("arn vpcId supportedNetworkTypes"),
        defaults=DEFAULT_DESCRIPTION,
        unordered=keys("subnetIds"),
        names={
            "name": "DBSubnetGroupName",
            "description": "DBSubnetGroupDescription",
            "arn": "DBSubnetGroupArn",
        },
        response_path={"subnetIds": "Subnets.*.SubnetIdentifier"},
        name="name",
        name_is_lower=True,
        validators=(
            matches(
                "name",
                r"(?!default$)[a-z0-9 ._-]{1,255}",
                "must have 1 to 255 lower-case letters, digits, spaces, periods, underscores and hyphens, "
                "and not be default",
            ),
        ),
        create=lambda ctx: ctx.create("create_db_subnet_group", "DBSubnetGroup.DBSubnetGroupName"),
        read=lambda ctx: ctx.first("describe_db_subnet_groups", "DBSubnetGroups", DBSubnetGroupName=ctx.id),
        delete=lambda ctx: ctx.call("delete_db_subnet_group", DBSubnetGroupName=ctx.id),
        setters=(
            Setter(
                keys("description subnetIds"),
                lambda ctx: ctx.call(
                    "modify_db_subnet_group",
                    DBSubnetGroupName=ctx.id,
                    DBSubnetGroupDescription=ctx.get("description"),
                    SubnetIds=ctx.get("subnetIds"),
                ),
                create=False,
            ),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:rds/parameterGroup:ParameterGroup",
        client="rds",
        required=keys("family"),
        force_new=keys("name family description"),
        updatable=keys("parameters tags"),
        outputs=keys("arn"),
        defaults=DEFAULT_DESCRIPTION,
        names={"name": "DBParameterGroupName", "family": "DBParameterGroupFamily", "arn": "DBParameterGroupArn"},
        response_path={"parameters": "Parameters"},
        canonical={"parameters": by_name},
        name="name",
        name_is_lower=True,
        requests=("create_db_parameter_group", "modify_db_parameter_group"),
        validators=(
            each_has("parameters", "name", "value"),
            matches(
                "name",
                r"(?=.{1,255}$)[a-z][a-z0-9.]*(-[a-z0-9.]+)*",
                "must begin with a letter and have up to 255 lower-case letters, digits, periods and single hyphens",
            ),
        ),
        create=lambda ctx: ctx.create("create_db_parameter_group", "DBParameterGroup.DBParameterGroupName"),
        read=_read_group,
        delete=lambda ctx: ctx.call("delete_db_parameter_group", DBParameterGroupName=ctx.id),
        setters=(Setter(keys("parameters"), _set_parameters),),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:rds/instance:Instance",
        client="rds",
        required=keys("instanceClass"),
        force_new=keys(
            "identifier dbName engine kmsKeyId storageEncrypted username snapshotIdentifier restoreToPointInTime"
        ),
        updatable=CHANGEABLE
        | keys("manageMasterUserPassword masterUserSecretKmsKeyId enabledCloudwatchLogsExports port tags"),
        state_only=keys(
            "allowMajorVersionUpgrade applyImmediately deleteAutomatedBackups finalSnapshotIdentifier "
            "skipFinalSnapshot passwordWoVersion"
        ),
        write_only=keys("passwordWo"),
        outputs=keys(
            "address arn endpoint engineVersionActual hostedZoneId latestRestorableTime "
            "masterUserSecrets resourceId status replicas"
        ),
        computed=keys(
            "allocatedStorage backupRetentionPeriod backupWindow caCertIdentifier dbName "
            "dbSubnetGroupName engine engineVersion engineLifecycleSupport kmsKeyId maintenanceWindow "
            "masterUserSecretKmsKeyId monitoringRoleArn multiAz parameterGroupName "
            "performanceInsightsKmsKeyId performanceInsightsRetentionPeriod port storageType username "
            "vpcSecurityGroupIds databaseInsightsMode"
        ),
        defaults={
            "allowMajorVersionUpgrade": False,
            "applyImmediately": False,
            "autoMinorVersionUpgrade": True,
            "copyTagsToSnapshot": False,
            "deleteAutomatedBackups": True,
            "deletionProtection": False,
            "iamDatabaseAuthenticationEnabled": False,
            "maxAllocatedStorage": 0,
            "monitoringInterval": 0,
            "performanceInsightsEnabled": False,
            "publiclyAccessible": False,
            "skipFinalSnapshot": False,
            "storageEncrypted": False,
        },
        unordered=keys("vpcSecurityGroupIds enabledCloudwatchLogsExports"),
        answered_otherwise=keys("port"),  # the port may be taken on this machine
        names={
            "identifier": "DBInstanceIdentifier",
            "snapshotIdentifier": "DBSnapshotIdentifier",
            "instanceClass": "DBInstanceClass",
            "dbName": "DBName",
            "username": "MasterUsername",
            "multiAz": "MultiAZ",
            "arn": "DBInstanceArn",
            "resourceId": "DbiResourceId",
            "status": "DBInstanceStatus",
            "caCertIdentifier": "CACertificateIdentifier",
            "backupWindow": "PreferredBackupWindow",
            "maintenanceWindow": "PreferredMaintenanceWindow",
            "dbSubnetGroupName": "DBSubnetGroupName",
            "parameterGroupName": "DBParameterGroupName",
            "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
            "performanceInsightsEnabled": "EnablePerformanceInsights",
            "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
            "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
            "replicas": "ReadReplicaDBInstanceIdentifiers",
            "engineVersionActual": "EngineVersion",
        },
        response_path={
            "address": "Endpoint.Address",
            "port": "Endpoint.Port",
            "hostedZoneId": "Endpoint.HostedZoneId",
            "endpoint": "EndpointText",
            "vpcSecurityGroupIds": "VpcSecurityGroups.*.VpcSecurityGroupId",
            "dbSubnetGroupName": "DBSubnetGroup.DBSubnetGroupName",
            "parameterGroupName": "DBParameterGroups.0.DBParameterGroupName",
            "iamDatabaseAuthenticationEnabled": "IAMDatabaseAuthenticationEnabled",
            "performanceInsightsEnabled": "PerformanceInsightsEnabled",
            "enabledCloudwatchLogsExports": "EnabledCloudwatchLogsExports",
            "masterUserSecretKmsKeyId": "MasterUserSecret.KmsKeyId",
        },
        unknown_when_changed={"engineVersionActual": "engineVersion"},
        name="identifier",
        name_separator="",
        name_limit=63,
        name_is_lower=True,
        requests=("create_db_instance",),
        validators=(
            _engine,
            identifier("identifier", 63),
            _storage,
            exclusive("passwordWo", "manageMasterUserPassword"),
            needs("passwordWo", "passwordWoVersion"),
            length("passwordWo", *PASSWORD),
            length("masterUserSecretKmsKeyId", 1, 2048),
            *arns("kmsKeyId", "monitoringRoleArn", "performanceInsightsKmsKeyId"),
            window("backupWindow", HALF_HOUR),
            window("maintenanceWindow", HALF_HOUR, weekly=True),
            matches(
                "finalSnapshotIdentifier",
                r"[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*",
                "must begin with a letter and have only letters, digits and single hyphens",
            ),
            one_of("enabledCloudwatchLogsExports", "postgresql", "upgrade", "iam-db-auth-error"),
            one_of(
                "engineLifecycleSupport",
                "open-source-rds-extended-support",
                "open-source-rds-extended-support-disabled",
            ),
            between("backupRetentionPeriod", 0, 35),
            between("allocatedStorage", 20, 65536),
            one_of("monitoringInterval", 0, 1, 5, 10, 15, 30, 60),
            needs("monitoringInterval", "monitoringRoleArn"),
            lambda news: (
                "performanceInsightsRetentionPeriod must be 7, 731 or a multiple of 31"
                if (days := news.get("performanceInsightsRetentionPeriod")) and days not in (7, 731) and days % 31
                else None
            ),
        ),
        unsupported={
            "latestRestorableTime": "a clock, which would be drift",
            "restoreToPointInTime": "there are no backups but snapshots, so that a deployment with it is refused",
        },
        create=_create_instance,
        read=_read_instance,
        delete=_delete_instance,
        setters=(
            Setter(
                CHANGEABLE,
                lambda ctx: ctx.modify(
                    "modify_db_instance",
                    CHANGEABLE,
                    DBInstanceIdentifier=ctx.id,
                    AllowMajorVersionUpgrade=bool(ctx.get("allowMajorVersionUpgrade")),
                    ApplyImmediately=True,
                ),
                create=False,
            ),
            Setter(keys("passwordWoVersion"), _new_password, create=False),
            Setter(keys("manageMasterUserPassword masterUserSecretKmsKeyId"), _manage_password, create=False),
            Setter(keys("enabledCloudwatchLogsExports"), _export_logs, create=False),
            Setter(
                keys("port"),
                lambda ctx: ctx.call(
                    "modify_db_instance",
                    DBInstanceIdentifier=ctx.id,
                    DBPortNumber=ctx.get("port"),
                    ApplyImmediately=True,
                ),
                create=False,
            ),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:rds/eventSubscription:EventSubscription",
        client="rds",
        required=keys("snsTopic"),
        force_new=keys("name"),
        updatable=SUBSCRIPTION | keys("sourceIds tags"),
        outputs=keys("arn customerAwsId"),
        unordered=keys("sourceIds eventCategories"),
        name="name",
        names={
            "name": "SubscriptionName",
            "snsTopic": "SnsTopicArn",
            "arn": "EventSubscriptionArn",
        },
        response_path={
            "name": "CustSubscriptionId",
            "sourceIds": "SourceIdsList",
            "eventCategories": "EventCategoriesList",
        },
        validators=(
            needs("sourceIds", "sourceType"),
            *arns("snsTopic"),
            one_of("sourceType", *SOURCES),
            matches(
                "name",
                r"(?=.{1,255}$)[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*",
                "must begin with a letter and have up to 255 letters, digits and single hyphens",
            ),
        ),
        create=lambda ctx: ctx.create("create_event_subscription", "EventSubscription.CustSubscriptionId"),
        read=lambda ctx: ctx.first("describe_event_subscriptions", "EventSubscriptionsList", SubscriptionName=ctx.id),
        delete=lambda ctx: ctx.call("delete_event_subscription", SubscriptionName=ctx.id),
        setters=(
            Setter(
                SUBSCRIPTION,
                lambda ctx: ctx.modify("modify_event_subscription", SUBSCRIPTION, SubscriptionName=ctx.id),
                create=False,
            ),
            Setter(keys("sourceIds"), _change_sources, create=False),
        ),
        tagging=TAGGING,
    ),
)
