"""Credentials of the stores: tokens signed with the function's role, and secrets."""

import json
from functools import cached_property
from typing import Any, Protocol

import botocore.config
import botocore.exceptions
import botocore.session
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from .errors import UnavailableError
from .settings import Settings

TOKEN_SECONDS = 900
"""How long RDS takes a token for a new connection (RDS User Guide, "IAM database authentication")."""


class Credentials(Protocol):
    """Where the passwords come from."""

    def database_token(self, user: str) -> str:
        """Return a password for a user that logs in with tokens."""

    def redis_token(self, stage: str) -> str | None:
        """Return the AUTH token of a stage, or None if the secret has no such stage."""

    def master(self) -> tuple[str, str]:
        """Return the master's user and password."""


class AwsCredentials:
    """Signs tokens locally, and reads secrets from Secrets Manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session = botocore.session.get_session()

    def database_token(self, user: str) -> str:
        """Return a token for a user at the database's endpoint.

        `generate_db_auth_token` of boto3 is the same, but for half a second to load the client of RDS.
        """
        settings = self._settings
        signer = RequestSigner(
            ServiceId("rds-db"),
            settings.region,
            "rds-db",
            "v4",
            self._session.get_credentials(),
            self._session.get_component("event_emitter"),
        )
        endpoint = f"{settings.db_host}:{settings.db_port}"
        request = {
            "url_path": "/",
            "url": f"https://{endpoint}/?Action=connect&DBUser={user}",
            "query_string": {},
            "headers": {},
            "body": {},
            "method": "GET",
            "context": {},
        }
        url: str = signer.generate_presigned_url(request, operation_name="connect", expires_in=TOKEN_SECONDS)
        return url.removeprefix("https://")

    def redis_token(self, stage: str) -> str | None:
        """Return the AUTH token of a stage, or None if the secret has no such stage.

        Raises:
            UnavailableError: Secrets Manager does not give it.
        """
        return self._secret(self._settings.redis_secret_arn, stage)

    def master(self) -> tuple[str, str]:
        """Return the master's user and password.

        Raises:
            UnavailableError: Secrets Manager does not give them.
        """
        text = self._secret(self._settings.db_master_secret_arn, "AWSCURRENT")
        if text is None:
            raise UnavailableError(f"the secret {self._settings.db_master_secret_arn} has no value")
        fields = json.loads(text)
        return fields["username"], fields["password"]

    @cached_property
    def _secrets(self) -> Any:
        """Return the client of Secrets Manager."""
        config = botocore.config.Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
        return self._session.create_client("secretsmanager", region_name=self._settings.region, config=config)

    def _secret(self, arn: str, stage: str) -> str | None:
        try:
            text: str = self._secrets.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"]
        except self._secrets.exceptions.ResourceNotFoundException:
            return None
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise UnavailableError(f"Secrets Manager: {error}") from None
        return text
