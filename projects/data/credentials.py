"""Who makes PostgreSQL's master password, and secrets read at deploy time without leaving a trace in plain text."""

import json

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output

from shared.contracts import SecurityContract
from shared.stack import StackContext


def secret_string(stack: StackContext, secret_arn: Input[str]) -> Output[str]:
    """What a secret holds now, marked secret."""
    version = aws.secretsmanager.get_secret_version_output(
        secret_id=secret_arn, opts=pulumi.InvokeOutputOptions(provider=stack.provider)
    )
    return Output.secret(version.secret_string)


def password(stack: StackContext, secret_arn: Input[str]) -> Output[str]:
    """The `password` of a secret's JSON object, marked secret.

    Raises:
        pulumi.RunError: the secret is no JSON object, or has no password. The sentence never holds its value.
    """

    def take(text: str) -> str:
        try:
            return str(json.loads(text)["password"])
        except (ValueError, TypeError, KeyError):
            raise pulumi.RunError("the secret of PostgreSQL must be a JSON object with 'password'") from None

    return secret_string(stack, secret_arn).apply(take)


def generated_secret_arn(security: SecurityContract) -> Output[str]:
    """Security's secret of the master credentials.

    Raises:
        pulumi.RunError: security has none, since RDS is to manage them.
    """

    def given(arn: str) -> str:
        if not arn:
            raise pulumi.RunError(
                "databaseCredentials is 'generated' in data, but security is deployed with 'rds-managed': give both"
                " the same, deploy security, then data"
            )
        return arn

    return security.db_secret_arn.apply(given)


def warn_of_leftover(security: SecurityContract) -> None:
    """Say that security keeps master credentials although RDS manages them, which is a step on the way only."""

    def warn(arn: str) -> None:
        if arn:
            pulumi.log.warn(
                f"RDS manages the master password; {arn.rpartition(':')[2]} is not used any more. Once this is"
                " deployed, set databaseCredentials to 'rds-managed' in security, too"
            )

    security.db_secret_arn.apply(warn)
