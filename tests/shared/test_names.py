"""Names with every possible suffix, compared with the patterns of AWS."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.names import LONGEST_SUFFIX, PHYSICAL, Names

suffixes = st.from_regex(r"[a-z](-?[a-z0-9]){0,40}", fullmatch=True)

WORDS = sorted({word for name in PHYSICAL.values() for word in re.findall(r"[a-z]+", name.format(""))})
"""The words in names, any of which may also be a suffix."""

KINDS = ("key_alias", "role", "log_group", "secret")
"""Endings of the keys in `PHYSICAL` whose names share a namespace in AWS."""


def kind(key: str) -> str:
    return next((each for each in KINDS if key.endswith(each)), key)


AWS = {
    # The API reference of each service, at the parameter for the name.
    "rds_instance": r"(?!.*--)[a-z][a-z0-9-]{0,61}[a-z0-9]",
    "redis": r"(?!.*--)[a-z][a-z0-9-]{0,38}[a-z0-9]",
    "consumer_role": r"[\w+=,.@-]{1,64}",
    "producer_role": r"[\w+=,.@-]{1,64}",
    "rds_monitoring_role": r"[\w+=,.@-]{1,64}",
    "flow_log_role": r"[\w+=,.@-]{1,64}",
    "backup_role": r"[\w+=,.@-]{1,64}",
    "backup_permissions": r"[\w+=,.@-]{1,128}",
    "permissions_boundary": r"[\w+=,.@-]{1,128}",
    "kinesis_stream": r"[a-zA-Z0-9_.-]{1,128}",
    "dead_letter_queue": r"[a-zA-Z0-9_-]{1,80}",
    "alerts_topic": r"[a-zA-Z0-9_-]{1,256}",
    "fallback_topic": r"[a-zA-Z0-9_-]{1,256}",
    "dashboard": r"[a-zA-Z0-9_-]{1,255}",
    "db_secret": r"[a-zA-Z0-9/_+=.@-]{1,512}",
    "redis_secret": r"[a-zA-Z0-9/_+=.@-]{1,512}",
    "data_key_alias": r"alias/(?!aws/)[a-zA-Z0-9/_-]{1,250}",
    "stream_key_alias": r"alias/(?!aws/)[a-zA-Z0-9/_-]{1,250}",
    "secrets_key_alias": r"alias/(?!aws/)[a-zA-Z0-9/_-]{1,250}",
    "telemetry_key_alias": r"alias/(?!aws/)[a-zA-Z0-9/_-]{1,250}",
    "log_group": r"[.\-_/#A-Za-z0-9]{1,512}",
    "vpc_flow_log_group": r"[.\-_/#A-Za-z0-9]{1,512}",
}
"""By key of `PHYSICAL`: the pattern of names that AWS accepts."""


@given(suffixes)
def test_names_with_an_accepted_suffix_are_valid_in_aws(suffix: str) -> None:
    if len(suffix) > LONGEST_SUFFIX:
        with pytest.raises(ValueError, match=f"at most {LONGEST_SUFFIX} "):
            Names(suffix)
        return
    for key, physical in PHYSICAL.items():
        name = Names(suffix).physical(key)
        assert len(name) <= physical.limit
        assert suffix in name
        if key in AWS:
            assert re.fullmatch(AWS[key], name), f"{key}: {name}"


@given(st.text(max_size=12))
def test_a_suffix_that_rds_refuses_is_refused(suffix: str) -> None:
    try:
        Names(suffix)
    except ValueError:
        return
    assert re.fullmatch(AWS["rds_instance"], f"txdb-{suffix}", flags=re.ASCII)


@given(
    st.sampled_from(["", *WORDS]), st.sampled_from(["", *WORDS]), st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
)
def test_two_environments_never_share_a_name(before: str, after: str, suffix: str) -> None:
    other = "-".join(part for part in (before, suffix, after) if part)
    if other == suffix or len(other) > LONGEST_SUFFIX:
        return
    mine, theirs = ({(kind(key), Names(of).physical(key)) for key in PHYSICAL} for of in (suffix, other))
    assert mine.isdisjoint(theirs)


@pytest.mark.parametrize(
    ("key", "name"),
    {
        "kinesis_stream": "transaction-stream-dev",
        "redis": "redis-dev",
        "rds_instance": "txdb-dev",
        "consumer_role": "kinesis-role-dev",
        "log_group": "/aws/transaction-monitoring/dev",
        "db_secret": "rds-credentials-dev",
        "data_key_alias": "alias/transaction-monitoring-dev",
    }.items(),
)
def test_applications_find_resources_under_the_known_names(key: str, name: str) -> None:
    assert Names("dev").physical(key) == name
