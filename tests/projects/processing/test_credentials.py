from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import tenacity

from projects.processing.app.credentials import AwsCredentials
from projects.processing.app.settings import Settings

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
    "OUTAGE_SECONDS": "840",
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
    ours = AwsCredentials(Settings.read(VARIABLES)).database_token()
    client = boto3.client("rds", region_name="ap-northeast-1")
    assert ours == client.generate_db_auth_token("db.example", 5432, "tx_consumer")


def test_the_token_is_the_one_that_boto3_makes(role: None) -> None:
    assert_equal_tokens()


def test_the_token_is_for_the_user_and_the_endpoint(role: None) -> None:
    address = urlsplit("https://" + AwsCredentials(Settings.read(VARIABLES)).database_token())
    asked = parse_qs(address.query)

    assert address.netloc == "db.example:5432"
    assert (asked["Action"], asked["DBUser"], asked["X-Amz-Expires"]) == (["connect"], ["tx_consumer"], ["900"])


def test_the_settings_are_what_the_variables_say() -> None:
    settings = Settings.read(VARIABLES)

    assert (settings.db_port, settings.history_seconds, settings.outage_seconds) == (5432, 86_400, 840)
    assert (settings.rules, settings.db_master_secret_arn) == ("{}", "")


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(KeyError, match="DB_HOST"):
        Settings.read({name: value for name, value in VARIABLES.items() if name != "DB_HOST"})
