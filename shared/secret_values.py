"""Reads the values of secrets while a layer is deployed."""

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output

from shared.pulumi_sdk import unknown_output
from shared.secret_stages import CURRENT
from shared.stack import StackContext


def secret_string(stack: StackContext, secret_arn: Input[str], stage: Input[str] = CURRENT) -> Output[str]:
    """Return a secret's value of a stage, marked secret. In a preview it is unknown, and AWS is not asked for it.

    Only write-only arguments may depend on it: they change with their version and not with their value, so an unknown
    value shows no difference.
    """
    if pulumi.runtime.is_dry_run():
        return Output.secret(Output.from_input(secret_arn).apply(lambda _: unknown_output()))
    version = aws.secretsmanager.get_secret_version_output(
        secret_id=secret_arn, version_stage=stage, opts=pulumi.InvokeOutputOptions(provider=stack.provider)
    )
    return Output.secret(version.secret_string)
