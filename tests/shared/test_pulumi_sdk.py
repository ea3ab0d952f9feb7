"""What shared/pulumi_sdk.py assumes about Pulumi's SDK. A failure here means that the SDK has changed."""

import asyncio
import json
from collections.abc import Iterator

import pulumi
import pytest
from pulumi.runtime import rpc, set_all_config

from shared.pulumi_sdk import UNKNOWN, given_config, is_secret, is_unknown, unknown_output


@pytest.fixture(autouse=True)
def _configuration() -> Iterator[None]:
    set_all_config({"txmon-data:protect": "true", "aws:region": "eu-west-1"}, ["txmon-data:protect"])
    yield
    set_all_config({}, [])


def test_config_is_listed_by_full_key() -> None:
    assert given_config() == {"txmon-data:protect": "true", "aws:region": "eu-west-1"}
    assert pulumi.Config("txmon-data").get("protect") == "true"


def test_config_includes_the_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"aws:region": "overridden", "policy:level": "1"}))
    assert given_config() == {"txmon-data:protect": "true", "aws:region": "eu-west-1", "policy:level": "1"}


def test_secret_settings_are_told_from_plain_ones() -> None:
    assert is_secret("txmon-data:protect")
    assert not is_secret("aws:region")


def test_unknown_output_is_neither_known_nor_secret() -> None:
    async def read() -> tuple[bool, bool]:
        output = unknown_output()
        return await output.is_known(), await output.is_secret()

    assert asyncio.new_event_loop().run_until_complete(read()) == (False, False)


def test_engine_receives_an_unknown_output_as_unknown() -> None:
    async def serialize() -> object:
        return await rpc.serialize_property(unknown_output(), [], None)

    assert is_unknown(asyncio.new_event_loop().run_until_complete(serialize()))
    assert UNKNOWN == "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # the engine's plugin.UnknownStringValue
    assert not is_unknown("04da6b54")
