"""The secrets. Their values never appear in plain text in state, logs or outputs."""

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
from shared.secret_stages import stage_of
from shared.secret_values import secret_string
from shared.stack import StackContext

PASSWORD_LENGTH = 64
"""Letters and digits, 380 bits, within the limits of RDS for PostgreSQL (8 to 128) and Redis AUTH (16 to 128).

No punctuation: RDS refuses / " @ and space, ElastiCache all but ! & # $ ^ < > -, and URLs need escapes for more.
"""


@dataclass(frozen=True)
class DatabaseCredentials:
    """PostgreSQL's credentials. The ARN is empty and the version 0 if RDS manages the password."""

    username: Output[str]
    secret_arn: Output[str]
    version: int


class Vault(pulumi.ComponentResource):
    """The secrets of an environment, with one key, policy and recovery time."""

    def __init__(
        self,
        stack: StackContext,
        config: SecurityConfig,
        *,
        key_arn: Input[str],
        consumer_role_arn: Input[str],
        migrator_role_arn: Input[str],
    ) -> None:
        super().__init__("txmon:security:Vault", stack.names.logical("vault"), opts=stack.opts)
        self._stack = stack
        self._config = config
        self._key_arn = key_arn
        self.reader_arns = _readers(stack, config)
        self.database = self._database_credentials(migrator_role_arn)
        self.redis_arn = self._create_secret(
            "redis-auth",
            "redis_secret",
            "Redis's AUTH token",
            value=self._generate_password(),
            version=config.redis_credentials_version // 2 + 1,
            stages=[stage_of(config.redis_credentials_version)],
            role_arns=[consumer_role_arn, migrator_role_arn],
        )
        self.register_outputs({})

    def _database_credentials(self, migrator_role_arn: Input[str]) -> DatabaseCredentials:
        config = self._config
        if config.database_credentials == "rds-managed":
            return DatabaseCredentials(Output.from_input(config.db_username), Output.from_input(""), version=0)
        if config.db_secret_name is not None:
            return self._find_existing(config.db_secret_name)
        arn = self._create_secret(
            "rds-credentials",
            "db_secret",
            "PostgreSQL's master user and password",
            value=Output.json_dumps({"username": config.db_username, "password": self._generate_password()}),
            version=config.db_credentials_version,
            replacement_trigger=config.db_username,  # a value is written when its version is raised, or anew
            role_arns=[migrator_role_arn],  # the consumer logs in with a token
        )
        return DatabaseCredentials(Output.from_input(config.db_username), arn, config.db_credentials_version)

    def _find_existing(self, name: str) -> DatabaseCredentials:
        """Look up the existing secret `name`, whose owner sets its policy, key and recovery time.

        `dbUsername` names the user, so that a preview knows it; a deployment checks that the secret has the same.
        """
        opts = pulumi.InvokeOptions(provider=self._stack.provider)
        try:
            secret = aws.secretsmanager.get_secret(name=name, opts=opts)
        except Exception as error:  # noqa: BLE001 (the SDK raises nothing narrower; the message has AWS's reason)
            raise refusal(
                "dbSecretName",
                f"the secret {name!r} cannot be found; make it in {self._stack.region}, or leave dbSecretName out to"
                f" have one generated ({str(error).rsplit('returned an error: ', 1)[-1]})",
            ) from None
        username = self._config.db_username
        secret_string(self._stack, secret.arn).apply(lambda text: require_credentials(text, name, username))
        return DatabaseCredentials(
            Output.from_input(username), Output.from_input(secret.arn), self._config.db_credentials_version
        )

    def _generate_password(self) -> Output[str]:
        """Generate a password. Every run generates one, but it is stored only if the secret's version was raised."""
        generated = aws.secretsmanager.get_random_password_output(
            password_length=PASSWORD_LENGTH,
            exclude_punctuation=True,
            require_each_included_type=True,
            opts=pulumi.InvokeOptions(provider=self._stack.provider),
        )
        return Output.secret(generated.random_password)

    def _create_secret(
        self,
        kind: str,
        name: str,
        description: str,
        *,
        value: Output[str],
        version: int,
        stages: Sequence[str] | None = None,
        replacement_trigger: str | None = None,
        role_arns: Sequence[Input[str]],
    ) -> Output[str]:
        """Create a secret that `role_arns` may read besides `reader_arns`, and return its ARN.

        Without `stages`, a new version becomes the current one when it is made.
        """
        stack = self._stack
        readers = Output.all(self.reader_arns, *role_arns).apply(lambda arns: [*arns[1:], *arns[0]])
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
            policy=secret_policy(secret.arn, readers),
            opts=here,
        )
        aws.secretsmanager.SecretVersion(
            stack.names.logical(f"{kind}-version"),
            secret_id=secret.id,
            secret_string_wo=value,
            secret_string_wo_version=version,
            version_stages=stages,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy], replacement_trigger=replacement_trigger),
        )
        return secret.arn


def secret_names(stack: StackContext, config: SecurityConfig) -> list[str]:
    """Return the names of the system's secrets, with the six random characters at their end as wildcards."""
    given = [stack.names.physical("db_secret"), stack.names.physical("redis_secret"), config.db_secret_name]
    # RDS chooses the name of the secret that it manages (RDS User Guide, "Password management with Secrets Manager").
    return [*(f"{name}-??????" for name in given if name), "rds!db-*"]


def _readers(stack: StackContext, config: SecurityConfig) -> Output[list[str]]:
    """Return the ARN patterns of the account's root and `secretReaders`.

    Raises:
        pulumi.RunError: they do not include the caller, who would lose access to the secrets.
    """

    def check(arns: Sequence[str]) -> list[str]:
        caller, *readers = arns
        if not may_read(caller, config.secret_readers):
            raise refusal(
                "secretReaders",
                f"{caller} is deploying and would no longer be able to read the secrets; add role/<path/name>",
            )
        return readers

    ends = ("root", *config.secret_readers)
    return Output.all(stack.caller.arn, *(stack.arn("iam", end, region="") for end in ends)).apply(check)


def may_read(caller_arn: str, readers: Sequence[str]) -> bool:
    """Return whether the ARN of a caller from STS matches one of `readers` (ends of IAM ARNs) or is the root's.

    STS omits the path of a role: arn:aws:sts::123456789012:assumed-role/NAME/SESSION.
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


def require_credentials(text: str | None, name: str, username: str) -> None:
    """Check that the value of the secret `name` is JSON with a password for `username`.

    Raises:
        pulumi.RunError: it is not. The message omits the value.
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
    if fields["username"] != username:
        raise refusal(
            "dbUsername", f"it is {username!r}, but the secret {name!r} has another username: give both the same"
        )
