"""Describes Lambda's functions, their event source mappings for Kinesis, and invocations by a deployment."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.schema.archives import content_hash, zipped
from tools.localcloud.schema.spec import Setter, Spec, Tagging, arn_of, from_aws, keys, to_aws
from tools.localcloud.schema.validators import arns, between, json_text, one_of

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext
    from tools.localcloud.schema.validators import Known
    from tools.localcloud.schema.values import Props

CONFIGURATION = keys(
    "role handler runtime memorySize timeout description environment vpcConfig loggingConfig kmsKeyArn tracingConfig "
    "ephemeralStorage"
)
MAPPING = keys(
    "functionName batchSize maximumBatchingWindowInSeconds parallelizationFactor functionResponseTypes enabled "
    "bisectBatchOnFunctionError maximumRetryAttempts maximumRecordAgeInSeconds destinationConfig metricsConfig"
)
UNLIMITED: Final = -1
VARIABLES_BYTES: Final = 4096
"""What all environment variables may have ("Lambda quotas", Lambda Developer Guide)."""
RESERVED: Final = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|LAMBDA_(TASK_ROOT|RUNTIME_DIR)|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV"
    r"|AWS_LAMBDA_(FUNCTION_NAME|FUNCTION_MEMORY_SIZE|FUNCTION_VERSION|INITIALIZATION_TYPE|LOG_GROUP_NAME"
    r"|LOG_STREAM_NAME|RUNTIME_API)|AWS_ACCESS_KEY(_ID)?|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN"
)
"""The variables that Lambda itself sets ("Defined runtime environment variables", Lambda Developer Guide)."""
SETTLED: Final = {"Delay": 0.1, "MaxAttempts": 300}
"""How a waiter of boto3 waits for a function: seconds between two looks, and how many of them."""


def _environment(news: Known) -> str | None:
    variables: dict[str, str] = (news.get("environment") or {}).get("variables") or {}
    for name in sorted(variables):
        if RESERVED.fullmatch(name):
            return f"environment has the variable {name}, which Lambda sets itself"
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]+", name):
            return f"environment has the variable {name!r}: AWS takes letters, digits and underscores after a letter"
    size = len(json.dumps(variables).encode())
    return (
        f"environment has {size} bytes of variables; AWS takes {VARIABLES_BYTES}" if size > VARIABLES_BYTES else None
    )


def _by_function(name: str) -> str:
    """Return the name of a function, which may be given by its ARN."""
    return name.partition(":function:")[2] or name


def _networks(config: Props | None) -> Props:
    """Return what of a function's network the program chooses; the order of subnets and groups means nothing."""
    return {key: sorted((config or {}).get(key) or ()) for key in ("subnetIds", "securityGroupIds")}


def _encode_network(config: Props | None) -> dict[str, Any]:
    given: dict[str, Any] = to_aws({key: value for key, value in (config or {}).items() if key != "vpcId"})
    return {"SubnetIds": [], "SecurityGroupIds": []} | given


def _decode_network(found: dict[str, Any]) -> Props | None:
    given: Props = from_aws(found)
    return given if given.get("subnetIds") else None


def _encode_destination(config: Props | None) -> dict[str, Any]:
    arn = ((config or {}).get("onFailure") or {}).get("destinationArn")
    return {"OnFailure": {"Destination": arn} if arn else {}}


def _decode_destination(found: dict[str, Any]) -> Props | None:
    arn = found.get("OnFailure", {}).get("Destination")
    return {"onFailure": {"destinationArn": arn}} if arn else None


def _code(ctx: ResourceContext) -> bytes:
    return zipped(ctx.get("code"), ctx.aws.folder)


def _settle(ctx: ResourceContext) -> None:
    """Wait until a function can be invoked and changed."""
    for state in ("function_active_v2", "function_updated_v2"):
        ctx.client("lambda").get_waiter(state).wait(FunctionName=ctx.id, WaiterConfig=SETTLED)


def _create(ctx: ResourceContext) -> str:
    ctx.id = ctx.create("create_function", "FunctionName", Code={"ZipFile": _code(ctx)})
    _settle(ctx)
    return ctx.id


def _update_code(ctx: ResourceContext) -> None:
    ctx.call("update_function_code", FunctionName=ctx.id, ZipFile=_code(ctx), **ctx.arguments(keys("architectures")))
    if "sourceCodeHash" not in ctx.inputs:
        ctx.state.pop("sourceCodeHash", None)
    _settle(ctx)


def _configure(ctx: ResourceContext) -> None:
    ctx.modify("update_function_configuration", CONFIGURATION, FunctionName=ctx.id)
    _settle(ctx)


def _reserve(ctx: ResourceContext) -> None:
    wanted = ctx.get("reservedConcurrentExecutions")
    if wanted == UNLIMITED:
        ctx.call("delete_function_concurrency", FunctionName=ctx.id)
    else:
        ctx.call("put_function_concurrency", FunctionName=ctx.id, ReservedConcurrentExecutions=wanted)


def _read(ctx: ResourceContext) -> dict[str, Any]:
    found = ctx.call("get_function", FunctionName=ctx.id)
    arn = found["Configuration"]["FunctionArn"]
    ctx.state.setdefault("sourceCodeHash", found["Configuration"]["CodeSha256"])
    invoked = f"arn:aws:apigateway:{ctx.region}:lambda:path/2015-03-31/functions"
    return {
        "Concurrency": {"ReservedConcurrentExecutions": UNLIMITED},
        **found,
        **found["Configuration"],
        "QualifiedArn": f"{arn}:{found['Configuration']['Version']}",
        "InvokeArn": f"{invoked}/{arn}/invocations",
        "QualifiedInvokeArn": f"{invoked}/{arn}:{found['Configuration']['Version']}/invocations",
    }


def _invoke(ctx: ResourceContext) -> str:
    """Invoke a function, and note its answer.

    Raises:
        ClientError: Lambda refuses it, or the function failed.
    """
    answer = ctx.call("invoke", FunctionName=ctx.get("functionName"), Payload=ctx.get("input").encode())
    result = answer["Payload"].read().decode()
    if answer.get("FunctionError"):
        raise ctx.error(answer["FunctionError"], f"the function {ctx.get('functionName')} failed: {_fault(result)}")
    ctx.state["result"] = result
    digest = hashlib.md5(result.encode(), usedforsecurity=False).hexdigest()
    return f"{ctx.get('functionName')}_$LATEST_{digest}"  # as hashicorp/aws makes it


def _fault(result: str) -> str:
    """Return the error in a function's answer: `ValueError: the schema is newer`."""
    try:
        told = json.loads(result)
        return f"{told['errorType']}: {told['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return result


TAGGING = Tagging(target="Resource", add="tag_resource", remove="untag_resource", pair=None, of=arn_of)

SPECS = (
    Spec(
        kind="aws:lambda/function:Function",
        client="lambda",
        required=keys("role code handler runtime"),
        force_new=keys("name packageType"),
        updatable=CONFIGURATION | keys("architectures reservedConcurrentExecutions tags"),
        state_only=keys("code sourceCodeHash replaceSecurityGroupsOnDestroy"),
        outputs=keys("arn codeSha256 invokeArn lastModified qualifiedArn qualifiedInvokeArn sourceCodeSize version"),
        computed=keys("architectures ephemeralStorage loggingConfig sourceCodeHash tracingConfig"),
        defaults={
            "memorySize": 128,
            "timeout": 3,
            "packageType": "Zip",
            "reservedConcurrentExecutions": UNLIMITED,
            "replaceSecurityGroupsOnDestroy": False,
        },
        unknown_when_changed={"codeSha256": "code", "sourceCodeSize": "code"},
        maps=keys("tags environment"),
        canonical={"code": content_hash, "vpcConfig": _networks},
        unordered=keys("architectures vpcConfig"),
        names={
            "name": "FunctionName",
            "arn": "FunctionArn",
            "kmsKeyArn": "KMSKeyArn",
            "sourceCodeSize": "CodeSize",
        },
        response_path={"reservedConcurrentExecutions": "Concurrency.ReservedConcurrentExecutions"},
        codecs={
            "environment": (
                lambda given: {"Variables": (given or {}).get("variables") or {}},
                lambda found: {"variables": found["Variables"]} if found.get("Variables") else None,
            ),
            "vpcConfig": (_encode_network, _decode_network),
        },
        name="name",
        name_limit=64,
        requests=("create_function",),
        validators=(
            one_of("packageType", "Zip"),
            between("memorySize", 128, 10240),
            between("timeout", 1, 900),
            between("reservedConcurrentExecutions", 0, 2**31, also=(UNLIMITED,)),
            _environment,
            *arns("role", "kmsKeyArn"),
        ),
        create=_create,
        read=_read,
        delete=lambda ctx: ctx.call("delete_function", FunctionName=ctx.id),
        setters=(
            Setter(CONFIGURATION, _configure, create=False),
            Setter(keys("code sourceCodeHash architectures"), _update_code, create=False),
            Setter(keys("reservedConcurrentExecutions"), _reserve),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:lambda/eventSourceMapping:EventSourceMapping",
        client="lambda",
        required=keys("functionName eventSourceArn startingPosition"),
        force_new=keys("eventSourceArn startingPosition"),
        updatable=MAPPING | keys("tags"),
        outputs=keys("arn functionArn lastModified lastProcessingResult state stateTransitionReason uuid"),
        computed=keys("maximumRecordAgeInSeconds maximumRetryAttempts parallelizationFactor"),
        defaults={"batchSize": 100, "enabled": True},
        canonical={"functionName": _by_function},
        unordered=keys("functionResponseTypes"),
        names={"arn": "EventSourceMappingArn", "uuid": "UUID"},
        response_path={"functionName": "FunctionArn", "enabled": "State"},
        codecs={
            "destinationConfig": (_encode_destination, _decode_destination),
            "enabled": (bool, lambda state: state in ("Enabled", "Enabling", "Creating", "Updating")),
        },
        unsupported={"lastProcessingResult": "it changes with each batch, which would be drift"},
        requests=("create_event_source_mapping",),
        validators=(
            one_of("startingPosition", "TRIM_HORIZON", "LATEST"),
            between("maximumRecordAgeInSeconds", 60, 604800, also=(UNLIMITED,)),
            *arns("eventSourceArn"),
        ),
        create=lambda ctx: ctx.create("create_event_source_mapping", "UUID"),
        read=lambda ctx: ctx.call("get_event_source_mapping", UUID=ctx.id),
        delete=lambda ctx: ctx.call("delete_event_source_mapping", UUID=ctx.id),
        setters=(
            Setter(
                MAPPING,
                lambda ctx: ctx.modify("update_event_source_mapping", MAPPING, UUID=ctx.id),
                create=False,
            ),
        ),
        tagging=Tagging(
            target="Resource", add="tag_resource", remove="untag_resource", read="list_tags", pair=None, of=arn_of
        ),
    ),
    Spec(
        kind="aws:lambda/invocation:Invocation",
        client="lambda",
        required=keys("functionName input"),
        force_new=keys("functionName input triggers"),
        state_only=keys("lifecycleScope terraformKey"),
        outputs=keys("result"),
        defaults={"lifecycleScope": "CREATE_ONLY", "terraformKey": "tf"},
        maps=keys("triggers"),
        case=str,
        validators=(json_text("input"), one_of("lifecycleScope", "CREATE_ONLY")),
        create=_invoke,
        read=lambda ctx: ctx.state or None,
        delete=lambda _ctx: None,
    ),
)
