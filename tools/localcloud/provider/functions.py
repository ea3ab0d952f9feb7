"""Answers the functions (invokes) of Pulumi's package `aws` that the layers call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.schema.spec import is_not_found, keys, pascal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.localcloud.provider.connection import Session
    from tools.localcloud.schema.values import Props


def _caller(session: Session, _args: Props) -> Props:
    who = session.client("sts").get_caller_identity()
    return {"id": who["Account"], "accountId": who["Account"], "arn": who["Arn"], "userId": who["UserId"]}


def _zones(session: Session, args: Props) -> Props:
    region = args.get("region") or session.region
    zones = session.client("ec2", region).describe_availability_zones()["AvailabilityZones"]
    return {
        "id": region,
        "region": region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": [region],
        "state": args.get("state"),
    }


def _stream(session: Session, args: Props) -> Props:
    try:
        answer = session.client("kinesis").describe_stream_summary(StreamName=args["name"])
    except ClientError as error:
        if not is_not_found(error):
            raise
        raise LocalCloudError(
            f"the stream {args['name']} does not exist in the local cloud; ./inv drift shows what is missing"
        ) from None
    found = answer["StreamDescriptionSummary"]
    return {
        "id": found["StreamARN"],
        "arn": found["StreamARN"],
        "name": found["StreamName"],
        "creationTimestamp": int(found["StreamCreationTimestamp"].timestamp()),
        "status": found["StreamStatus"],
        "retentionPeriod": found["RetentionPeriodHours"],
        "region": session.region,
    }


def _random_password(session: Session, args: Props) -> Props:
    given = {pascal(key): value for key, value in args.items() if key != "region" and value is not None}
    answer = session.client("secretsmanager").get_random_password(**given)
    return {**args, "id": "password", "randomPassword": answer["RandomPassword"]}


def _secret(session: Session, args: Props) -> Props:
    found = _find_secret(session, args.get("arn") or args.get("name") or "")
    policy = session.client("secretsmanager").get_resource_policy(SecretId=found["ARN"])
    return {
        "id": found["ARN"],
        "arn": found["ARN"],
        "name": found["Name"],
        "description": found.get("Description", ""),
        "kmsKeyId": found.get("KmsKeyId", ""),
        "policy": policy.get("ResourcePolicy", ""),
        "tags": {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())},
        "region": session.region,
        "createdDate": str(found["CreatedDate"]),
        "lastChangedDate": str(found.get("LastChangedDate", "")),
    }


def _find_secret(session: Session, which: str) -> Props:
    try:
        found: Props = session.client("secretsmanager").describe_secret(SecretId=which)
    except ClientError as error:
        if not is_not_found(error):
            raise
        raise LocalCloudError(f"the secret {which} does not exist in the local cloud") from None
    if found.get("DeletedDate"):
        raise LocalCloudError(f"the secret {which} is scheduled for deletion")
    return found


def _secret_version(session: Session, args: Props) -> Props:
    which = args["secretId"]
    _find_secret(session, which)
    asked = {"VersionId": args.get("versionId"), "VersionStage": args.get("versionStage")}
    found = session.client("secretsmanager").get_secret_value(
        SecretId=which, **{key: value for key, value in asked.items() if value}
    )
    return {
        "id": f"{which}|{args.get('versionId') or args.get('versionStage') or 'AWSCURRENT'}",
        "arn": found["ARN"],
        "secretId": which,
        "secretString": found.get("SecretString", ""),
        "secretBinary": "",
        "versionId": found["VersionId"],
        "versionStages": found.get("VersionStages", []),
        "versionStage": args.get("versionStage"),
        "createdDate": str(found["CreatedDate"]),
        "region": session.region,
    }


Function = tuple["Callable[[Session, Props], Props]", frozenset[str], frozenset[str]]
"""What answers it, its arguments, and the secret properties of its result."""


def _function(run: Callable[[Session, Props], Props], inputs: str = "", secrets: str = "") -> Function:
    return run, keys(inputs) | {"region"}, keys(secrets)


RANDOM: Final = (
    "passwordLength excludeCharacters excludeLowercase excludeNumbers excludePunctuation excludeUppercase "
    "includeSpace requireEachIncludedType"
)
FUNCTIONS: Final[dict[str, Function]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _function(_caller, "id"),
    "aws:index/getAvailabilityZones:getAvailabilityZones": _function(_zones, "state"),
    "aws:kinesis/getStream:getStream": _function(_stream, "name"),
    "aws:secretsmanager/getRandomPassword:getRandomPassword": _function(_random_password, RANDOM, "randomPassword"),
    "aws:secretsmanager/getSecret:getSecret": _function(_secret, "arn name tags"),
    "aws:secretsmanager/getSecretVersion:getSecretVersion": _function(
        _secret_version, "secretId versionId versionStage", "secretString secretBinary"
    ),
}


def invoke(session: Session, token: str, arguments: Props) -> tuple[Props, frozenset[str]]:
    """Call a function; return its result and the names of the secret properties in it.

    Raises:
        LocalCloudError: the function or one of the arguments is unknown.
    """
    if token not in FUNCTIONS:
        raise LocalCloudError(f"the local cloud does not have the function {token}")
    run, inputs, secrets = FUNCTIONS[token]
    unknown = sorted(arguments.keys() - inputs)
    if unknown:
        raise LocalCloudError(f"the local cloud's {token} does not know the argument {', '.join(unknown)}")
    return run(session, arguments), secrets
