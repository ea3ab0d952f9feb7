"""The secrets: made here, read by few, never in plain text in state, logs or outputs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output

from projects.security.config import SecurityConfig
from shared.config import refusal
from shared.iam import secret_policy
from shared.stack import StackContext

PASSWORD_LENGTH = 64
"""Letters and digits, 380 bits. Within the limits of RDS for PostgreSQL (8 to 128) and of Redis AUTH (16 to 128);
both refuse some punctuation (RDS: / " @ and space; ElastiCache: all but ! & # $ ^ < > -), and URLs more."""


@dataclass(frozen=True)
class DatabaseCredentials:
    """Where PostgreSQL's credentials are; the ARN is empty and the version 0 where RDS keeps them itself."""

    username: Output[str]
    secret_arn: Output[str]
    version: int


class Vault(pulumi.ComponentResource):
    """The secrets of an environment, all under the same key, policy and recovery time."""

    def __init__(
        self, stack: StackContext, config: SecurityConfig, *, key_arn: Input[str], consumer_role_arn: Input[str]
    ) -> None:
        super().__init__("txmon:security:Vault", stack.names.logical("vault"), opts=stack.opts)
        self._stack = stack
        self._config = config
        self._key_arn = key_arn
        self.reader_arns = _readers(stack, config)
        self._all_readers = Output.all(consumer_role_arn, self.reader_arns).apply(lambda arns: [arns[0], *arns[1]])
        self.database = self._database()
        self.redis_arn = self._secret(
            "redis-auth",
            "redis_secret",
            "Redis's AUTH token",
            value=self._password(),
            version=config.redis_credentials_version,
        )
        self.register_outputs({})

    def _database(self) -> DatabaseCredentials:
        config = self._config
        if config.database_credentials == "rds-managed":
            return DatabaseCredentials(Output.from_input(config.db_username), Output.from_input(""), version=0)
        if config.db_secret_name is not None:
            return self._existing(config.db_secret_name)
        arn = self._secret(
            "rds-credentials",
            "db_secret",
            "PostgreSQL's master user and password",
            value=Output.json_dumps({"username": config.db_username, "password": self._password()}),
            version=config.db_credentials_version,
        )
        return DatabaseCredentials(Output.from_input(config.db_username), arn, config.db_credentials_version)

    def _existing(self, name: str) -> DatabaseCredentials:
        """The secret `name`, made elsewhere: its policy, key and recovery are its owner's."""
        opts = pulumi.InvokeOptions(provider=self._stack.provider)
        try:
            secret = aws.secretsmanager.get_secret(name=name, opts=opts)
        except Exception as error:  # noqa: BLE001 (the SDK raises no narrower one; AWS's reason is handed on)
            raise refusal(
                "dbSecretName",
                f"the secret {name!r} cannot be found; make it in {self._stack.region}, or leave dbSecretName out to"
                f" have one generated ({str(error).rsplit('returned an error: ', 1)[-1]})",
            ) from None
        current = aws.secretsmanager.get_secret_version_output(secret_id=secret.arn, opts=opts)
        username = Output.unsecret(current.secret_string.apply(lambda text: username_in(text, name)))
        return DatabaseCredentials(username, Output.from_input(secret.arn), self._config.db_credentials_version)

    def _password(self) -> Output[str]:
        """A new one in every run; it reaches the secret only when the secret's version is raised."""
        made = aws.secretsmanager.get_random_password_output(
            password_length=PASSWORD_LENGTH,
            exclude_punctuation=True,
            require_each_included_type=True,
            opts=pulumi.InvokeOptions(provider=self._stack.provider),
        )
        return Output.secret(made.random_password)

    def _secret(self, kind: str, name: str, description: str, *, value: Output[str], version: int) -> Output[str]:
        stack = self._stack
        here = pulumi.ResourceOptions(parent=self)
        secret = aws.secretsmanager.Secret(
            stack.names.logical(kind),
            name=stack.names.physical(name),
            description=description,
            kms_key_id=self._key_arn,
            recovery_window_in_days=self._config.secret_recovery_days,
            tags=stack.name_tag(kind),
            opts=pulumi.ResourceOptions(parent=self, protect=stack.protect),
        )
        policy = aws.secretsmanager.SecretPolicy(
            stack.names.logical(f"{kind}-policy"),
            secret_arn=secret.arn,
            block_public_policy=True,
            policy=secret_policy(secret.arn, self._all_readers),
            opts=here,
        )
        aws.secretsmanager.SecretVersion(
            stack.names.logical(f"{kind}-version"),
            secret_id=secret.id,
            secret_string_wo=value,
            secret_string_wo_version=version,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        return secret.arn


def _readers(stack: StackContext, config: SecurityConfig) -> Output[list[str]]:
    """The account's root and `secretReaders`, as ARNs of IAM with `*`.

    Raises:
        pulumi.RunError: whoever deploys now is not among them, and would lock himself out.
    """

    def checked(given: Sequence[str]) -> list[str]:
        caller, *readers = given
        if not may_read(caller, config.secret_readers):
            raise refusal(
                "secretReaders",
                f"{caller} deploys now and could not read the secrets any more; add role/<path/name>",
            )
        return readers

    ends = ("root", *config.secret_readers)
    return Output.all(stack.caller.arn, *(stack.arn("iam", end, region="") for end in ends)).apply(checked)


def may_read(caller_arn: str, readers: Sequence[str]) -> bool:
    """Whether a caller, as STS names it, is one of `readers` (ends of IAM ARNs) or the account's root.

    STS names a role without its path: arn:aws:sts::123456789012:assumed-role/NAME/SESSION.
    """
    kind, _, name = caller_arn.split(":", 5)[5].partition("/")
    if kind == "root":
        return True
    if kind == "assumed-role":
        role = name.split("/")[0]
        return any(fnmatchcase(f"role/{role}", _without_path(reader)) for reader in readers)
    return any(fnmatchcase(f"{kind}/{name}", reader) for reader in readers)


def _without_path(reader: str) -> str:
    kind, slash, name = reader.partition("/")
    return f"{kind}/{name.rsplit('/', 1)[-1]}" if slash else reader


def username_in(text: str | None, name: str) -> str:
    """The user of credentials as JSON.

    Raises:
        pulumi.RunError: they are no JSON object with `username` and `password`; never shows the text.
    """
    try:
        fields: Any = json.loads(text or "")
    except ValueError:
        fields = None
    wanted = ("username", "password")
    lacking = [
        key for key in wanted if not (isinstance(fields, dict) and isinstance(fields.get(key), str) and fields[key])
    ]
    if lacking:
        raise refusal(
            "dbSecretName",
            f'the secret {name!r} must be JSON as {{"username": "…", "password": "…"}}; it lacks'
            f" {' and '.join(lacking)}",
        )
    return str(fields["username"])
