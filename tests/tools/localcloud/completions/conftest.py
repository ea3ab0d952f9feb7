"""Gives tests the clients of the emulator that several files use, and a VPC."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.emulator import client


@pytest.fixture
def ec2(port: int) -> Any:
    return client("ec2", port)


@pytest.fixture
def vpc(ec2) -> str:
    return str(ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])


@pytest.fixture
def rds(port: int) -> Any:
    return client("rds", port)
