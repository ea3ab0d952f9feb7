"""What the security layer can be told."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.config import IamPrincipals, LayerConfig, Matching, Structured

RESERVED_USERS = frozenset({"admin", "postgres", "rdsadmin", "rds_superuser", "rdsrepladmin", "root"})
"""Names that RDS for PostgreSQL refuses for the master user, or that say nothing (Security Hub RDS.25)."""


def _usable(user: str) -> str:
    if user in RESERVED_USERS or user.startswith("pg_"):
        raise ValueError(
            f"{user!r} is reserved; take another than {', '.join(sorted(RESERVED_USERS))} and names with pg_"
        )
    return user


SHORTEST_WAIT = 7
"""Days, the least that KMS and Secrets Manager wait before they delete (their API references); 30 is the most."""


def _recoverable(days: int) -> int:
    if 0 < days < SHORTEST_WAIT:
        raise ValueError(f"{days} must be 0 or {SHORTEST_WAIT} to 30")
    return days


UserName = Annotated[
    str,
    Matching(r"[a-z][a-z0-9_]{0,62}", "lower-case letters, digits and underscores, a letter first, 63 at most"),
    AfterValidator(_usable),
]
"""What RDS for PostgreSQL takes for the master user."""

Assumer = Literal["lambda.amazonaws.com", "ecs-tasks.amazonaws.com", "ec2.amazonaws.com"]


class SecurityConfig(LayerConfig):
    """How long things can be recovered, where credentials come from, and what may act as the roles."""

    key_deletion_days: Annotated[int, Field(ge=SHORTEST_WAIT, le=30)] = 30
    """Days in which a deleted key can be recovered, 7 to 30."""

    secret_recovery_days: Annotated[int, Field(ge=0, le=30), AfterValidator(_recoverable)] = 30
    """Days in which a deleted secret can be recovered, 7 to 30; 0 deletes at once and frees the name."""

    database_credentials: Literal["rds-managed", "generated"] = "rds-managed"
    """`rds-managed`: RDS makes and rotates PostgreSQL's master password; `generated`: this layer does."""

    db_username: UserName = "txadmin"
    """PostgreSQL's master user; with `dbSecretName` it is the secret's."""

    db_secret_name: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    """An existing secret to use instead of a generated one: JSON with `username` and `password`."""

    db_credentials_version: Annotated[int, Field(ge=1)] = 1
    """Raise it to rotate the generated master password (or to say that the existing secret has a new one)."""

    redis_credentials_version: Annotated[int, Field(ge=1)] = 1
    """Raise it to rotate Redis's AUTH token."""

    secret_readers: Annotated[tuple[IamPrincipals, ...], Structured] = (
        "role/txmon-deploy-*",
        "role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_AdministratorAccess_*",
        "role/OrganizationAccountAccessRole",
    )
    """Who may read the secrets beside the consumer and the account's root: those who deploy, and administrators.

    As the end of an IAM ARN of this account, with `*`: `role/path/name`, `user/name`.
    """

    consumer_services: Annotated[tuple[Assumer, ...], Structured, Field(min_length=1)] = ("lambda.amazonaws.com",)
    """The AWS services whose workloads may act as the consumer."""

    producer_services: Annotated[tuple[Assumer, ...], Structured, Field(min_length=1)] = ("ecs-tasks.amazonaws.com",)
    """The AWS services whose workloads may act as the producer."""

    @model_validator(mode="after")
    def _one_source_of_credentials(self) -> Self:
        if self.db_secret_name is not None and self.database_credentials == "rds-managed":
            raise ValueError("dbSecretName goes with databaseCredentials 'generated', not 'rds-managed'")
        if self.db_secret_name is not None and "db_username" in self.model_fields_set:
            raise ValueError("dbUsername is read from the secret that dbSecretName names; leave it out")
        return self
