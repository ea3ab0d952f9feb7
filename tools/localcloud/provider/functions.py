"""Answers the functions (invokes) of Pulumi's package `aws` that the layers call."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.schema.spec import is_not_found, keys, pascal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.localcloud.provider.connection import Session
    from tools.localcloud.schema.values import Props

PARTITION: Final = {
    "id": "aws",
    "partition": "aws",
    "dnsSuffix": "amazonaws.com",
    "reverseDnsPrefix": "com.amazonaws",
}


def _caller(session: Session, _args: Props) -> Props:
    who = session.client("sts").get_caller_identity()
    return {"id": who["Account"], "accountId": who["Account"], "arn": who["Arn"], "userId": who["UserId"]}


def _region(session: Session, args: Props) -> Props:
    name = args.get("region") or args.get("name") or session.region
    return {"id": name, "region": name, "name": name, "description": name, "endpoint": f"ec2.{name}.amazonaws.com"}


def _zones(session: Session, args: Props) -> Props:
    region = args.get("region") or session.region
    answer = session.client("ec2", region).describe_availability_zones()["AvailabilityZones"]
    left_out = {*(args.get("excludeNames") or ()), *(args.get("excludeZoneIds") or ())}
    found = {zone["ZoneName"]: zone["ZoneId"] for zone in answer if not {zone["ZoneName"], zone["ZoneId"]} & left_out}
    return {
        "id": region,
        "region": region,
        "names": list(found),
        "zoneIds": list(found.values()),
        "groupNames": [region],
        "state": args.get("state"),
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


def _policy_document(_session: Session, args: Props) -> Props:
    """Return a policy document as Pulumi's provider writes it, with the same order of keys and short forms."""
    for unsupported in sorted(keys(OTHER_DOCUMENTS)):
        if args.get(unsupported):
            raise LocalCloudError(f"the local cloud's getPolicyDocument does not know {unsupported}")
    document: Props = {"Version": args.get("version") or "2012-10-17"}
    if args.get("policyId"):
        document["Id"] = args["policyId"]
    document["Statement"] = [_statement(statement) for statement in args.get("statements") or ()]
    text = json.dumps(document, indent=2)
    minified = json.dumps(document, separators=(",", ":"))
    return {**args, "id": str(zlib.crc32(text.encode())), "json": text, "minifiedJson": minified}


def _statement(statement: Props) -> Props:
    out: Props = {"Sid": statement.get("sid"), "Effect": statement.get("effect") or "Allow"}
    for name in ("actions", "notActions", "resources", "notResources"):
        out[name[:1].upper() + name[1:-1]] = _few(statement.get(name))
    for name in ("principals", "notPrincipals"):
        out[name[:1].upper() + name[1:-1]] = _principals(statement.get(name) or ())
    conditions: dict[str, Props] = {}
    for condition in statement.get("conditions") or ():
        test = conditions.setdefault(condition["test"], {})
        test[condition["variable"]] = _few([*_many(test.get(condition["variable"])), *condition["values"]])
    out["Condition"] = conditions
    return {key: value for key, value in out.items() if value not in (None, [], {})}


def _principals(principals: Any) -> Any:
    found: dict[str, list[str]] = {}
    for principal in principals:
        found.setdefault(principal["type"], []).extend(principal["identifiers"])
    if found == {"*": ["*"]}:
        return "*"
    return {kind: _few(sorted(identifiers)) for kind, identifiers in found.items()}


def _few(values: list[str] | None) -> Any:
    return values[0] if values and len(values) == 1 else values


def _many(value: Any) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [value]


Function = tuple["Callable[[Session, Props], Props]", frozenset[str], frozenset[str]]


def _function(run: Callable[[Session, Props], Props], inputs: str = "", secrets: str = "") -> Function:
    return run, keys(inputs) | {"region"}, keys(secrets)


RANDOM: Final = (
    "passwordLength excludeCharacters excludeLowercase excludeNumbers excludePunctuation excludeUppercase "
    "includeSpace requireEachIncludedType"
)
OTHER_DOCUMENTS: Final = "overrideJson overridePolicyDocuments sourceJson sourcePolicyDocuments"
FUNCTIONS: Final[dict[str, Function]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _function(_caller, "id"),
    "aws:index/getRegion:getRegion": _function(_region, "id name"),
    "aws:index/getPartition:getPartition": _function(lambda _session, _args: dict(PARTITION), "id"),
    "aws:index/getAvailabilityZones:getAvailabilityZones": _function(_zones, "state excludeNames excludeZoneIds"),
    "aws:iam/getPolicyDocument:getPolicyDocument": _function(
        _policy_document, f"statements version policyId {OTHER_DOCUMENTS}"
    ),
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
