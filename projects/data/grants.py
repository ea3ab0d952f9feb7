"""The grants of the consumer and the migrator on the databases. Security owns the roles."""

from collections.abc import Mapping, Sequence

import pulumi_aws as aws
from pulumi import Input, Output

from shared.contracts import SecurityContract
from shared.iam import allow, document, use_key
from shared.stack import StackContext

IAM_USER = "tx_consumer"
"""The PostgreSQL user that logs in with an IAM token: `GRANT rds_iam TO tx_consumer`."""


def grant_consumer(
    stack: StackContext, security: SecurityContract, *, rds_resource_id: Input[str]
) -> aws.iam.RolePolicy:
    """Allow the consumer to log in to PostgreSQL with a token, and to Redis with the secret's."""
    return aws.iam.RolePolicy(
        stack.names.logical("consumer-data-access"),
        role=security.kinesis_role_name,
        policy=_access(stack, security, rds_resource_id, [IAM_USER], {"Redis": security.redis_secret_arn}),
        opts=stack.attached_to(security.kinesis_role_id),
    )


def grant_migrator(
    stack: StackContext, security: SecurityContract, *, rds_resource_id: Input[str], db_secret_arn: Input[str]
) -> aws.iam.RolePolicy:
    """Allow the migrator the same, and to log in as the master, with which it changes the schema.

    The password is not enough: RDS takes only a token from a master that has become a member of rds_iam.
    """
    secret_arns = {"Redis": security.redis_secret_arn, "Database": Output.from_input(db_secret_arn)}
    return aws.iam.RolePolicy(
        stack.names.logical("migrator-data-access"),
        role=security.migrator_role_name,
        policy=_access(stack, security, rds_resource_id, [IAM_USER, security.db_username], secret_arns),
        opts=stack.attached_to(security.migrator_role_id),
    )


def _access(
    stack: StackContext,
    security: SecurityContract,
    rds_resource_id: Input[str],
    users: Sequence[Input[str]],
    secret_arns: Mapping[str, Output[str]],
) -> Output[str]:
    """Return the policy: log in as these users, read these secrets and decrypt these only."""
    return document(
        allow(
            "DatabaseLogin",
            ["rds-db:connect"],
            [Output.concat(stack.arn("rds-db", "dbuser:"), rds_resource_id, "/", user) for user in users],
        ),
        allow(
            "ReadSecrets",
            ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            list(secret_arns.values()),
        ),
        *(
            use_key(
                f"Decrypt{name}Secret",
                ["kms:Decrypt"],
                security.secrets_key_arn,
                service="secretsmanager",
                region=stack.region,
                context={"SecretARN": arn},
            )
            for name, arn in secret_arns.items()
        ),
    )
