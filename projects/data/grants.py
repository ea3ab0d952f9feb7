"""The consumer's grants on the databases. Security owns the role."""

import pulumi_aws as aws
from pulumi import Input, Output

from shared.contracts import SecurityContract
from shared.iam import allow, document, use_key
from shared.stack import StackContext

DATABASE_USER = "tx_consumer"
"""The PostgreSQL user of the consumer, which logs in with an IAM token: `GRANT rds_iam TO tx_consumer`."""


def grant_consumer(
    stack: StackContext, security: SecurityContract, *, rds_resource_id: Input[str], db_secret_arn: Input[str] | None
) -> aws.iam.RolePolicy:
    """Allow the consumer to log in to PostgreSQL, to read the secrets and to decrypt these secrets only.

    `db_secret_arn` is None if RDS manages the master password, which the consumer does not need.
    """
    secret_arns = {"Redis": security.redis_secret_arn}
    if db_secret_arn is not None:
        secret_arns["Database"] = Output.from_input(db_secret_arn)
    return aws.iam.RolePolicy(
        stack.names.logical("consumer-data-access"),
        role=security.kinesis_role_name,
        policy=document(
            allow(
                "DatabaseLogin",
                ["rds-db:connect"],
                [Output.concat(stack.arn("rds-db", "dbuser:"), rds_resource_id, f"/{DATABASE_USER}")],
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
        ),
        opts=stack.attached_to(security.kinesis_role_id),
    )
