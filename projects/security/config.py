"""The settings of the security layer."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.config import IamPrincipals, LayerConfig, Matching, Structured

RESERVED_USERS = frozenset({"admin", "postgres", "rdsadmin", "rds_superuser", "rdsrepladmin", "root"})
"""Master user names that RDS for PostgreSQL refuses, or that are easy to guess (Security Hub RDS.25)."""


def _not_reserved(user: str) -> str:
    if user in RESERVED_USERS or user.startswith("pg_"):
        raise ValueError(
            f"{user!r} is reserved; take another than {', '.join(sorted(RESERVED_USERS))} and names with pg_"
        )
    return user


SHORTEST_WAIT = 7
"""The fewest days that KMS and Secrets Manager wait before deletion (their API references); 30 is the most."""


def _zero_or_allowed(days: int) -> int:
    if 0 < days < SHORTEST_WAIT:
        raise ValueError(f"{days} must be 0 or {SHORTEST_WAIT} to 30")
    return days


UserName = Annotated[
    str,
    Matching(r"[a-z][a-z0-9_]{0,62}", "lower-case letters, digits and underscores, a letter first, 63 at most"),
    AfterValidator(_not_reserved),
]
"""A master user name that RDS for PostgreSQL accepts."""

LAMBDA = "lambda.amazonaws.com"

Assumer = Literal["lambda.amazonaws.com", "ecs-tasks.amazonaws.com", "ec2.amazonaws.com"]


class SecurityConfig(LayerConfig):
    """Recovery times, the source of credentials, and the services that may assume the roles."""

    key_deletion_days: Annotated[int, Field(ge=SHORTEST_WAIT, le=30)] = 30
    """Days that a deleted key can be recovered, 7 to 30."""

    retain_data_key: bool = True
    """Whether a destroy leaves the data key, without which snapshots and backups that remain cannot be read."""

    secret_recovery_days: Annotated[int, Field(ge=0, le=30), AfterValidator(_zero_or_allowed)] = 30
    """Days that a deleted secret can be recovered, 7 to 30; 0 deletes it at once and frees the name."""

    database_credentials: Literal["rds-managed", "generated"] = "rds-managed"
    """Who creates the master password: RDS, which also rotates it (`rds-managed`), or this layer (`generated`)."""

    backup_account: Annotated[str, Matching(r"\d{12}", "an account id")] | None = None
    """The account whose vault gets copies of PostgreSQL (data's `copyAccountVault`): it may use the data key."""

    db_username: UserName = "txadmin"
    """PostgreSQL's master user. The secret of `dbSecretName` has to have the same."""

    db_secret_name: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    """An existing secret to use instead of a generated one: JSON with `username` and `password`."""

    db_credentials_version: Annotated[int, Field(ge=1)] = 1
    """Raise it to rotate the generated master password, or after changing the password in `dbSecretName`."""

    redis_credentials_version: Annotated[int, Field(ge=1)] = 1
    """Raise it by one, twice, to rotate Redis's AUTH token; `./inv rotate redis` does.

    An even number makes a token that is pending, which Redis takes as well; the next number makes it the current one.
    """

    secret_readers: Annotated[tuple[IamPrincipals, ...], Structured] = (
        "role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_AdministratorAccess_*",
        "role/OrganizationAccountAccessRole",
    )
    """Who may read the secrets, besides consumer, migrator and the account's root: deployers and administrators.

    Each is the end of an IAM ARN of this account, `*` allowed: `role/path/name`, `user/name`.
    """

    consumer_services: Annotated[tuple[Assumer, ...], Structured, Field(min_length=1)] = ("lambda.amazonaws.com",)
    """AWS services whose workloads may assume the consumer's role."""

    producer_services: Annotated[tuple[Assumer, ...], Structured, Field(min_length=1)] = ("ecs-tasks.amazonaws.com",)
    """AWS services whose workloads may assume the producer's role."""

    senders: Annotated[tuple[IamPrincipals, ...], Structured] = ()
    """Who else may act as the producer, as `./inv send` does: ends of IAM ARNs, as in `secretReaders`."""

    @model_validator(mode="after")
    def _lambda_runs_the_consumer(self) -> Self:
        if LAMBDA not in self.consumer_services:
            raise ValueError(f"consumerServices must include {LAMBDA}, which runs the consumer of processing")
        return self

    @model_validator(mode="after")
    def _one_source_of_credentials(self) -> Self:
        if self.db_secret_name is not None and self.database_credentials == "rds-managed":
            raise ValueError("dbSecretName goes with databaseCredentials 'generated', not 'rds-managed'")
        return self
