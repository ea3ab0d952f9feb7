"""Who makes PostgreSQL's master password, and secrets read at deploy time without leaving a trace in plain text."""

import json

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output

from projects.data.config import DataConfig
from shared.contracts import SecurityContract
from shared.layer import Layer


def secret_string(layer: Layer, secret_arn: Input[str]) -> Output[str]:
    """What a secret holds now, marked secret."""
    version = aws.secretsmanager.get_secret_version_output(
        secret_id=secret_arn, opts=pulumi.InvokeOutputOptions(provider=layer.provider)
    )
    return Output.secret(version.secret_string)


def password(layer: Layer, secret_arn: Input[str]) -> Output[str]:
    """The `password` of a secret's JSON object, marked secret.

    Raises:
        pulumi.RunError: the secret is no JSON object, or has no password. The sentence never holds its value.
    """

    def take(text: str) -> str:
        try:
            return str(json.loads(text)["password"])
        except (ValueError, TypeError, KeyError):
            raise pulumi.RunError("the secret of PostgreSQL must be a JSON object with 'password'") from None

    return secret_string(layer, secret_arn).apply(take)


def agreed_db_secret_arn(config: DataConfig, security: SecurityContract) -> Output[str]:
    """Security's secret of the master credentials, empty where RDS manages them: as this layer's config says too.

    Raises:
        pulumi.RunError: the two layers are configured differently.
    """

    def agree(arn: str) -> str:
        made_by = "generated" if arn else "rds-managed"
        if made_by != config.database_credentials:
            raise pulumi.RunError(
                f"databaseCredentials is {config.database_credentials!r} in data, but security is deployed with"
                f" {made_by!r}: give both the same, deploy security, then data"
            )
        return arn

    return security.db_secret_arn.apply(agree)
