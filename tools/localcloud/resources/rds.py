"""RDS: instances, their groups and event subscriptions. The local cloud's maintenance window is always open."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.localcloud.schema.lifecycle import gone
from tools.localcloud.schema.spec import MANAGED, Setter, Spec, Tagging
from tools.localcloud.schema.validators import Known, between, exclusive, identifier, length, needs, one_of

if TYPE_CHECKING:
    from tools.localcloud.provider.property_values import Props
    from tools.localcloud.schema.lifecycle import Operation

TAGGING = Tagging(
    target="ResourceName",
    add="add_tags_to_resource",
    remove="remove_tags_from_resource",
    read="list_tags_for_resource",
    found="TagList",
)
AT_ONCE = 20  # parameters in one call
PORT = 5432
PASSWORD = (8, 128)  # characters of a PostgreSQL master password


# Parameter groups, RDS's and ElastiCache's: one call sets parameters, another resets those that went.


def named(parameters: list[Props]) -> Any:
    """Parameters without order; RDS applies at once unless it is told otherwise."""
    return {each["name"]: (str(each["value"]), each.get("applyMethod") or "immediate") for each in parameters}


def _parameters(op: Operation) -> list[dict[str, Any]]:
    pages = op.session.client("rds", op.region).get_paginator("describe_db_parameters")
    found = [p for page in pages.paginate(DBParameterGroupName=op.id, Source="user") for p in page["Parameters"]]
    return [
        {"name": p["ParameterName"], "value": p["ParameterValue"], "applyMethod": p.get("ApplyMethod", "immediate")}
        for p in found
    ]


def _aws_parameter(parameter: Props) -> dict[str, str]:
    return {
        "ParameterName": parameter["name"],
        "ParameterValue": str(parameter["value"]),
        "ApplyMethod": parameter.get("applyMethod") or "immediate",
    }


def _set_parameters(op: Operation) -> None:
    wanted = op.want("parameters") or []
    names = {each["name"] for each in wanted}
    dropped = [_aws_parameter(each) for each in _parameters(op) if each["name"] not in names]
    changes = (("modify", [_aws_parameter(each) for each in wanted]), ("reset", dropped))
    for verb, parameters in changes:
        for start in range(0, len(parameters), AT_ONCE):
            some = parameters[start : start + AT_ONCE]
            op.call(f"{verb}_db_parameter_group", DBParameterGroupName=op.id, Parameters=some)


def _read_group(op: Operation) -> dict[str, Any] | None:
    group = op.first("describe_db_parameter_groups", "DBParameterGroups", DBParameterGroupName=op.id)
    return group and group | {"Parameters": _parameters(op)}


# Instances.


def _engine(news: Known) -> str | None:
    version = str(news.get("engineVersion") or "")
    if news.get("engine") == "postgres" and version and not re.fullmatch(r"\d+(\.\d+)?", version):
        return f"engineVersion {version!r} is no version of PostgreSQL"
    return None


def _storage(news: Known) -> str | None:
    size, most = news.get("allocatedStorage"), news.get("maxAllocatedStorage")
    if size and most and most <= size:
        return f"maxAllocatedStorage {most} must be more than allocatedStorage {size}"
    return None


def _password(op: Operation) -> Any:
    return op.hidden.get("passwordWo") or op.want("password")


def _manage_password(op: Operation) -> None:
    """What RDS does and the emulator does not: a secret of its own with the master's password, or its removal."""
    vault = op.session.client("secretsmanager", op.region)
    if not op.want("manageMasterUserPassword"):
        _forget_password(op)
        op.state["masterUserSecrets"] = []
        return
    key = op.want("masterUserSecretKmsKeyId")
    if op.state.get("masterUserSecrets"):
        arn = op.state["masterUserSecrets"][0]["secretArn"]
        vault.update_secret(SecretId=arn, **({"KmsKeyId": key} if key else {}))
    else:
        password = vault.get_random_password(PasswordLength=32, ExcludePunctuation=True)["RandomPassword"]
        arn = vault.create_secret(
            Name=f"rds!db-{uuid.uuid4()}",
            Description=f"The master password of {op.id}",
            SecretString=json.dumps({"username": op.want("username"), "password": password}),
            **({"KmsKeyId": key} if key else {}),
        )["ARN"]
        op.call("modify_db_instance", DBInstanceIdentifier=op.id, MasterUserPassword=password, ApplyImmediately=True)
    op.state["masterUserSecrets"] = [{"secretArn": arn, "secretStatus": "active", "kmsKeyId": key or ""}]


def _forget_password(op: Operation) -> None:
    for secret in op.state.get("masterUserSecrets") or ():
        try:
            op.session.client("secretsmanager", op.region).delete_secret(
                SecretId=secret["secretArn"], ForceDeleteWithoutRecovery=True
            )
        except ClientError as error:
            if not gone(error):
                raise


def _create_instance(op: Operation) -> str:
    op.state = {"masterUserSecrets": [], "port": PORT} | op.state
    managed = bool(op.want("manageMasterUserPassword"))
    password = uuid.uuid4().hex if managed else _password(op)  # the managed one is set with its secret
    if password is None:
        raise op.refuse("InvalidParameterValue", "password, passwordWo or manageMasterUserPassword must be given")
    return op.make("create_db_instance", "DBInstance.DBInstanceIdentifier", MasterUserPassword=password)


def _read_instance(op: Operation) -> dict[str, Any] | None:
    instance = op.first("describe_db_instances", "DBInstances", DBInstanceIdentifier=op.id)
    if instance is None:
        return None
    where = instance.get("Endpoint") or {}
    return instance | {
        "EndpointText": f"{where.get('Address')}:{where.get('Port')}",
        "KmsKeyId": instance.get("KmsKeyId") or None,
    }


def _delete_instance(op: Operation) -> None:
    skip, snapshot = op.want("skipFinalSnapshot"), op.want("finalSnapshotIdentifier")
    if not skip and not snapshot:
        raise op.refuse(
            "InvalidParameterCombination", f"{op.id} needs finalSnapshotIdentifier unless skipFinalSnapshot is set"
        )
    op.call(
        "delete_db_instance",
        DBInstanceIdentifier=op.id,
        SkipFinalSnapshot=bool(skip),
        FinalDBSnapshotIdentifier=None if skip else snapshot,
        DeleteAutomatedBackups=bool(op.want("deleteAutomatedBackups")),
    )
    _forget_password(op)


def _new_password(op: Operation) -> None:
    if not op.want("manageMasterUserPassword"):
        op.call(
            "modify_db_instance", DBInstanceIdentifier=op.id, MasterUserPassword=_password(op), ApplyImmediately=True
        )


def _keep_subscription(op: Operation) -> str:
    name = op.physical_name()
    op.state |= {"name": name, "customerAwsId": op.account, "arn": op.arn("rds", f"es:{name}")}
    return str(name)


CHANGEABLE = (
    "allocatedStorage autoMinorVersionUpgrade backupRetentionPeriod backupWindow caCertIdentifier copyTagsToSnapshot "
    "dbSubnetGroupName deletionProtection engineVersion iamDatabaseAuthenticationEnabled instanceClass! "
    "iops maintenanceWindow maxAllocatedStorage monitoringInterval monitoringRoleArn multiAz networkType "
    "parameterGroupName performanceInsightsEnabled performanceInsightsKmsKeyId performanceInsightsRetentionPeriod "
    "port publiclyAccessible storageThroughput storageType vpcSecurityGroupIds databaseInsightsMode"
)

SPECS = (
    Spec(
        kind="aws:rds/subnetGroup:SubnetGroup",
        client="rds",
        fixed="name namePrefix",
        mutable="description subnetIds! tags",
        outputs="arn vpcId supportedNetworkTypes",
        defaults=MANAGED,
        unordered="subnetIds",
        names={
            "name": "DBSubnetGroupName",
            "description": "DBSubnetGroupDescription",
            "arn": "DBSubnetGroupArn",
        },
        seen={"subnetIds": "Subnets.*.SubnetIdentifier"},
        name="name",
        lower=True,
        create=lambda op: op.make("create_db_subnet_group", "DBSubnetGroup.DBSubnetGroupName"),
        read=lambda op: op.first("describe_db_subnet_groups", "DBSubnetGroups", DBSubnetGroupName=op.id),
        delete=lambda op: op.call("delete_db_subnet_group", DBSubnetGroupName=op.id),
        setters=(
            Setter(
                "description subnetIds",
                lambda op: op.call(
                    "modify_db_subnet_group",
                    DBSubnetGroupName=op.id,
                    DBSubnetGroupDescription=op.want("description"),
                    SubnetIds=op.want("subnetIds"),
                ),
                create=False,
            ),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:rds/parameterGroup:ParameterGroup",
        client="rds",
        fixed="name namePrefix family! description",
        mutable="parameters tags",
        outputs="arn",
        defaults=MANAGED,
        names={"name": "DBParameterGroupName", "family": "DBParameterGroupFamily", "arn": "DBParameterGroupArn"},
        seen={"parameters": "Parameters"},
        canonical={"parameters": named},
        name="name",
        lower=True,
        create=lambda op: op.make("create_db_parameter_group", "DBParameterGroup.DBParameterGroupName"),
        read=_read_group,
        delete=lambda op: op.call("delete_db_parameter_group", DBParameterGroupName=op.id),
        setters=(Setter("parameters", _set_parameters),),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:rds/instance:Instance",
        client="rds",
        fixed="identifier identifierPrefix availabilityZone dbName engine kmsKeyId storageEncrypted username",
        mutable=f"{CHANGEABLE} password manageMasterUserPassword "
        "masterUserSecretKmsKeyId enabledCloudwatchLogsExports engineLifecycleSupport tags",
        local="allowMajorVersionUpgrade applyImmediately blueGreenUpdate deleteAutomatedBackups "
        "finalSnapshotIdentifier skipFinalSnapshot passwordWoVersion",
        write_only="passwordWo",
        outputs="address arn endpoint engineVersionActual hostedZoneId latestRestorableTime masterUserSecrets "
        "resourceId status replicas",
        computed="allocatedStorage availabilityZone backupRetentionPeriod backupWindow caCertIdentifier dbName "
        "dbSubnetGroupName engine engineVersion engineLifecycleSupport iops kmsKeyId maintenanceWindow "
        "masterUserSecretKmsKeyId monitoringRoleArn multiAz networkType parameterGroupName "
        "performanceInsightsKmsKeyId performanceInsightsRetentionPeriod port storageThroughput storageType username "
        "vpcSecurityGroupIds databaseInsightsMode",
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
        unordered="vpcSecurityGroupIds enabledCloudwatchLogsExports",
        secret="password",  # noqa: S106 - the name of the property
        names={
            "identifier": "DBInstanceIdentifier",
            "instanceClass": "DBInstanceClass",
            "dbName": "DBName",
            "username": "MasterUsername",
            "password": "MasterUserPassword",
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
        seen={
            "address": "Endpoint.Address",
            "port": "Endpoint.Port",
            "hostedZoneId": "Endpoint.HostedZoneId",
            "endpoint": "EndpointText",
            "vpcSecurityGroupIds": "VpcSecurityGroups.*.VpcSecurityGroupId",
            "dbSubnetGroupName": "DBSubnetGroup.DBSubnetGroupName",
            "parameterGroupName": "DBParameterGroups.0.DBParameterGroupName",
            "iamDatabaseAuthenticationEnabled": "IAMDatabaseAuthenticationEnabled",
        },
        follows={"engineVersionActual": "engineVersion"},
        name="identifier",
        separator="",
        limit=63,
        lower=True,
        checks=(
            _engine,
            identifier("identifier", 63),
            _storage,
            exclusive("password", "passwordWo", "manageMasterUserPassword"),
            length("password", *PASSWORD),
            length("passwordWo", *PASSWORD),
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
        lost={
            "enabledCloudwatchLogsExports storageThroughput performanceInsightsEnabled performanceInsightsKmsKeyId "
            "performanceInsightsRetentionPeriod databaseInsightsMode engineLifecycleSupport autoMinorVersionUpgrade "
            "port": "the emulator drops them, or ignores their change",
            "backupWindow networkType": "the emulator takes them only in a change",
            "manageMasterUserPassword masterUserSecretKmsKeyId masterUserSecrets": "the emulator ignores managed "
            "passwords; the provider makes the secret, which is never rotated",
            "password": "no AWS call shows it",
            "latestRestorableTime": "a clock, which would be drift",
        },
        create=_create_instance,
        read=_read_instance,
        delete=_delete_instance,
        setters=(
            Setter(
                CHANGEABLE,
                lambda op: op.modify(
                    "modify_db_instance", CHANGEABLE, DBInstanceIdentifier=op.id, ApplyImmediately=True
                ),
                create=False,
            ),
            Setter("password passwordWoVersion", _new_password, create=False),
            Setter("manageMasterUserPassword masterUserSecretKmsKeyId", _manage_password),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:rds/eventSubscription:EventSubscription",
        client="rds",
        fixed="name namePrefix",
        mutable="snsTopic! sourceType sourceIds eventCategories enabled tags",
        outputs="arn customerAwsId",
        defaults={"enabled": True},
        unordered="sourceIds eventCategories",
        name="name",
        missing="the emulator has no RDS event subscriptions",
        checks=(needs("sourceIds", "sourceType"),),
        create=_keep_subscription,
        read=lambda op: op.state or None,
        delete=lambda _op: None,
    ),
)
