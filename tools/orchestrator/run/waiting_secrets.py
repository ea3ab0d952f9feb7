"""Secrets that wait for their deletion: their names are taken, and so a new deployment fails.

Secrets Manager keeps a deleted secret for its recovery window (API reference, DeleteSecret). To restore one is a
person's decision, because it brings an old value back; here are the commands for it. They need no permission that
deployments do not have already, and a failed create leaves nothing that `resume` does not continue.
"""

import shlex
from collections.abc import Iterable

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.operation import Operation, ResourceChange, ResourceState, logical_name
from tools.orchestrator.repository.stack_files import settings_in_file

SECRET_TYPE = "aws:secretsmanager/secret:Secret"  # noqa: S105 (a resource type)
WAITS = "already scheduled for deletion"
"""AWS's words (InvalidRequestException of CreateSecret)."""


def restore_commands(workspace: Workspace, operations: Iterable[Operation]) -> list[str]:
    """Return the commands that restore the secrets which could not be created, and hand them over to Pulumi."""
    return [
        command
        for operation in operations
        for change in operation.failed
        if change.type == SECRET_TYPE and change.new
        if any(error.startswith(f"{change.name}: ") and WAITS in error for error in operation.errors)
        for command in _commands(workspace, operation.layer, change, change.new)
    ]


def _commands(workspace: Workspace, layer: str, change: ResourceChange, planned: ResourceState) -> list[str]:
    region = settings_in_file(workspace.monorepo, layer, workspace.env).get("aws:region")
    where = ("--region", str(region)) if region else ()
    aws = shlex.join([*where, "--secret-id", planned.inputs["name"]])
    arn = f"$(aws secretsmanager describe-secret {aws} --query ARN --output text)"
    provider, _, _ = planned.provider.rpartition("::")
    links = ("--parent", _named(planned.parent), "--provider", _named(provider))
    adopt = ("import", SECRET_TYPE, change.name, arn, *links, "--generate-code=false", "--protect=false")
    return [f"aws secretsmanager restore-secret {aws}", workspace.display_command(layer, *adopt)]


def _named(urn: str) -> str:
    """Return a URN as `pulumi import` takes it, with a name before it."""
    return shlex.quote(f"{logical_name(urn)}={urn}")
