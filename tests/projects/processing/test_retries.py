"""How long an outage and a bad record hold up a shard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.processing.app import consume
from projects.processing.app.database import CONNECT_SECONDS, READ_SECONDS
from projects.processing.app.rules import CONDITIONS, RULE_SECONDS
from projects.processing.retries import (
    BATCH_SIZE,
    LONGEST_AGE_SECONDS,
    MOST_ATTEMPTS,
    OUTAGE_SECONDS,
    QUARTER_HOUR_SECONDS,
    SECONDS_A_RECORD,
    TIMEOUT_SECONDS,
    processing_seconds,
    record_age_seconds,
    retry_attempts,
    seconds_until_aside,
)

RETENTIONS = st.integers(24, 8760)
"""The hours of retention that a stream may have."""


@given(RETENTIONS)
def test_an_outage_of_half_the_retention_passes(hours: int) -> None:
    attempts = retry_attempts(hours)
    assert attempts * OUTAGE_SECONDS >= record_age_seconds(hours)
    assert attempts <= MOST_ATTEMPTS


@given(RETENTIONS)
def test_the_other_half_of_the_retention_is_left_to_replay(hours: int) -> None:
    age = record_age_seconds(hours)
    assert 60 <= age <= LONGEST_AGE_SECONDS
    assert 2 * age <= hours * 3600


@given(RETENTIONS)
def test_a_hanging_record_is_aside_within_a_quarter_of_an_hour(hours: int) -> None:
    attempts = retry_attempts(hours)
    seconds = processing_seconds(attempts)
    assert seconds >= 1
    assert seconds_until_aside(attempts, seconds) <= QUARTER_HOUR_SECONDS


def test_a_crash_of_two_seconds_is_aside_within_a_quarter_of_an_hour_in_production() -> None:
    assert seconds_until_aside(retry_attempts(168), 2) <= QUARTER_HOUR_SECONDS


def test_the_last_attempt_of_an_invocation_ends_before_lambda_ends_it() -> None:
    secrets = 2 * (3 + 5)  # two attempts to connect and read (app/credentials.py)
    # Login, version of the schema, BEGIN, INSERT, digests, rejections, COMMIT.
    postgresql = CONNECT_SECONDS + 7 * READ_SECONDS + len(CONDITIONS) * RULE_SECONDS
    redis = CONNECT_SECONDS + 2 * READ_SECONDS  # login, pipeline
    assert OUTAGE_SECONDS + secrets + postgresql + redis < TIMEOUT_SECONDS


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 20), (56, 12), (388, 2), (776, 1)])
def test_processing_gets_the_seconds_that_the_quarter_of_an_hour_leaves(attempts: int, seconds: int) -> None:
    assert processing_seconds(attempts) == seconds


def test_the_consumer_gives_each_record_the_same_seconds() -> None:
    assert SECONDS_A_RECORD == consume.SECONDS_A_RECORD


def test_a_batch_is_bisected_down_to_one_record() -> None:
    size, bisections = BATCH_SIZE, 0
    while size > 1:
        size, bisections = -(-size // 2), bisections + 1
    assert seconds_until_aside(0, 1) >= bisections + 1
