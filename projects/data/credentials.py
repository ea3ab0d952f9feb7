"""The password that a deployment reads, and checks of who creates PostgreSQL's master password."""

import json

import pulumi
from pulumi import Input, Output

from shared.contracts import SecurityContract
from shared.secret_values import secret_string
from shared.stack import StackContext


def password(stack: StackContext, secret_arn: Input[str]) -> Output[str]:
    """Return the `password` in a secret's JSON, marked secret; unknown in a preview.

    Raises:
        pulumi.RunError: the secret is not a JSON object with a password. The message omits the secret's value.
    """

    def take(text: str) -> str:
        try:
            return str(json.loads(text)["password"])
        except (ValueError, TypeError, KeyError):
            raise pulumi.RunError("the secret of PostgreSQL must be a JSON object with 'password'") from None

    return secret_string(stack, secret_arn).apply(take)


def generated_secret_arn(security: SecurityContract) -> Output[str]:
    """Return the ARN of security's secret of the master credentials.

    Raises:
        pulumi.RunError: security has no such secret, because its `databaseCredentials` is `rds-managed`.
    """

    def require(arn: str) -> str:
        if not arn:
            raise pulumi.RunError(
                "databaseCredentials is 'generated' in data, but security is deployed with 'rds-managed': give both"
                " the same, deploy security, then data"
            )
        return arn

    return security.db_secret_arn.apply(require)


def warn_of_unused_credentials(security: SecurityContract) -> None:
    """Warn if security still has master credentials although RDS manages them, as midway through a migration."""

    def warn(arn: str) -> None:
        if arn:
            pulumi.log.warn(
                f"RDS manages the master password; {arn.rpartition(':')[2]} is no longer used. Once this is"
                " deployed, set databaseCredentials to 'rds-managed' in security, too"
            )

    security.db_secret_arn.apply(warn)
