from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import tenacity

from projects.processing.app.credentials import AwsCredentials
from projects.processing.app.errors import UnavailableError
from projects.processing.app.settings import Settings
from tests.support.emulator import KEY, client, free_port, running
from tools.localcloud.ministack_adapter import HOST

VARIABLES = {
    "TXMON_ENVIRONMENT": "test",
    "AWS_REGION": "ap-northeast-1",
    "DB_HOST": "db.example",
    "DB_PORT": "5432",
    "DB_NAME": "transactions",
    "DB_USER": "tx_consumer",
    "REDIS_HOST": "cache.example",
    "REDIS_PORT": "6379",
    "REDIS_SECRET_ARN": "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:redis",
    "HISTORY_HOURS": "24",
    "OUTAGE_SECONDS": "780",
    "PROCESSING_SECONDS": "2",
    "RULES": "{}",
}


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.setenv(f"AWS_{name}", name.lower())


@tenacity.retry(stop=tenacity.stop_after_attempt(3), retry=tenacity.retry_if_exception_type(AssertionError))
def assert_equal_tokens() -> None:
    """A token states the second in which it was made."""
    ours = AwsCredentials(Settings.read(VARIABLES)).database_token("tx_consumer")
    client = boto3.client("rds", region_name="ap-northeast-1")
    assert ours == client.generate_db_auth_token("db.example", 5432, "tx_consumer")


def test_the_token_is_the_one_that_boto3_makes(role: None) -> None:
    assert_equal_tokens()


def test_the_token_is_for_the_user_and_the_endpoint(role: None) -> None:
    address = urlsplit("https://" + AwsCredentials(Settings.read(VARIABLES)).database_token("tx_consumer"))
    asked = parse_qs(address.query)

    assert address.netloc == "db.example:5432"
    assert (asked["Action"], asked["DBUser"], asked["X-Amz-Expires"]) == (["connect"], ["tx_consumer"], ["900"])


def test_the_settings_are_what_the_variables_say() -> None:
    settings = Settings.read(VARIABLES)

    assert (settings.db_port, settings.history_seconds, settings.outage_seconds) == (5432, 86_400, 780)
    assert (settings.rules, settings.db_master_secret_arn) == ("{}", "")


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(KeyError, match="DB_HOST"):
        Settings.read({name: value for name, value in VARIABLES.items() if name != "DB_HOST"})


@pytest.fixture
def secrets(role: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Secrets Manager of an emulator, which the functions reach, too."""
    with running(tmp_path / "home") as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{HOST}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY.identity)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY.secret)
        monkeypatch.delenv("AWS_SESSION_TOKEN")
        yield client("secretsmanager", port)


def test_secrets_are_read_by_stage(secrets: Any) -> None:
    redis = secrets.create_secret(Name="redis", SecretString="first")["ARN"]
    master = secrets.create_secret(Name="db", SecretString='{"username": "txadmin", "password": "secret"}')["ARN"]
    names = {"REDIS_SECRET_ARN": redis, "DB_MASTER_SECRET_ARN": master}
    credentials = AwsCredentials(Settings.read(VARIABLES | names))

    assert credentials.master() == ("txadmin", "secret")
    assert (credentials.redis_token("AWSCURRENT"), credentials.redis_token("AWSPREVIOUS")) == ("first", None)
    secrets.put_secret_value(SecretId=redis, SecretString="second")
    assert (credentials.redis_token("AWSCURRENT"), credentials.redis_token("AWSPREVIOUS")) == ("second", "first")


def test_a_secret_that_is_gone_is_an_outage(secrets: Any) -> None:
    credentials = AwsCredentials(Settings.read(VARIABLES | {"DB_MASTER_SECRET_ARN": "gone"}))

    with pytest.raises(UnavailableError, match="the secret gone has no value"):
        credentials.master()


def test_a_secrets_manager_that_does_not_answer_is_an_outage(role: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{HOST}:{free_port()}")

    with pytest.raises(UnavailableError, match="Secrets Manager: "):
        AwsCredentials(Settings.read(VARIABLES)).redis_token("AWSCURRENT")
