"""What the functions' environment variables say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Settings:
    """Where the stores are and how long to wait for them. Secrets are named, never stated."""

    environment: str
    region: str
    db_host: str
    db_port: int
    db_name: str
    db_user: str
    redis_host: str
    redis_port: int
    redis_secret_arn: str
    history_hours: int
    outage_seconds: float
    processing_seconds: float
    rules: str
    db_master_secret_arn: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """Read the variables; only the migrator has DB_MASTER_SECRET_ARN.

        Raises:
            KeyError: one is not set.
        """
        return cls(
            environment=variables["TXMON_ENVIRONMENT"],
            region=variables["AWS_REGION"],
            db_host=variables["DB_HOST"],
            db_port=int(variables["DB_PORT"]),
            db_name=variables["DB_NAME"],
            db_user=variables["DB_USER"],
            redis_host=variables["REDIS_HOST"],
            redis_port=int(variables["REDIS_PORT"]),
            redis_secret_arn=variables["REDIS_SECRET_ARN"],
            history_hours=int(variables["HISTORY_HOURS"]),
            outage_seconds=float(variables["OUTAGE_SECONDS"]),
            processing_seconds=float(variables["PROCESSING_SECONDS"]),
            rules=variables["RULES"],
            db_master_secret_arn=variables.get("DB_MASTER_SECRET_ARN", ""),
        )

    @property
    def history_seconds(self) -> int:
        return self.history_hours * 3600
