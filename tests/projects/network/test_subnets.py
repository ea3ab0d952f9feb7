"""The address plan for every VPC and prefix."""

import re
from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.network.subnets import LARGEST, PRIVATE, SMALLEST, ZONES, plan

ZONE_NAMES = ("ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d")


@st.composite
def vpcs(draw: st.DrawFn) -> IPv4Network:
    """Draw a VPC range that the plan accepts."""
    prefix = draw(st.integers(LARGEST, SMALLEST))
    private = draw(st.sampled_from(PRIVATE))
    index = draw(st.integers(0, 2 ** (prefix - private.prefixlen) - 1))
    return IPv4Network((int(private.network_address) + index * 2 ** (32 - prefix), prefix))


prefixes = st.integers(LARGEST, SMALLEST)


@given(vpcs(), prefixes)
def test_subnets_fit_without_overlap_or_are_refused(vpc: IPv4Network, prefix: int) -> None:
    if prefix < vpc.prefixlen + 2:  # three subnets need four blocks
        with pytest.raises(ValueError, match="do not fit"):
            plan(vpc, prefix, ZONE_NAMES)
        return
    subnets = plan(vpc, prefix, ZONE_NAMES)
    assert list(subnets) == list(ZONE_NAMES)
    assert all(subnet.subnet_of(vpc) and subnet.prefixlen == prefix for subnet in subnets.values())
    assert not any(one.overlaps(other) for one, other in combinations(subnets.values(), 2))


@given(vpcs())
def test_the_advised_prefixes_fit(vpc: IPv4Network) -> None:
    with pytest.raises(ValueError, match="do not fit") as refused:
        plan(vpc, vpc.prefixlen, ZONE_NAMES)
    advised = re.search(r"a prefix of (\d+) to (\d+) fits", str(refused.value))
    if advised is None:
        assert vpc.prefixlen + 2 > SMALLEST
        assert "widen vpcCidr" in str(refused.value)
        return
    for prefix in map(int, advised.groups()):
        assert len(plan(vpc, prefix, ZONE_NAMES)) == ZONES


@given(st.lists(st.sampled_from(ZONE_NAMES), max_size=5))
def test_only_three_different_zones_are_accepted(zones: list[str]) -> None:
    if len(zones) == ZONES and len(set(zones)) == ZONES:
        assert list(plan(IPv4Network("10.0.0.0/16"), 24, zones)) == zones
    else:
        with pytest.raises(ValueError, match="availabilityZones must be three different zones"):
            plan(IPv4Network("10.0.0.0/16"), 24, zones)


def test_the_default_plan_has_the_known_subnets() -> None:
    assert [str(block) for block in plan(IPv4Network("10.0.0.0/16"), 24, ZONE_NAMES).values()] == [
        "10.0.1.0/24",
        "10.0.2.0/24",
        "10.0.3.0/24",
    ]


@pytest.mark.parametrize("public", ["8.8.0.0/16", "172.32.0.0/16", "100.64.0.0/16"])
def test_a_public_range_is_refused(public: str) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        plan(IPv4Network(public), 24, ZONE_NAMES)


@pytest.mark.parametrize("size", ["10.0.0.0/15", "10.0.0.0/29"])
def test_a_range_of_a_size_that_aws_refuses_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="/16 to a /28"):
        plan(IPv4Network(size), 28, ZONE_NAMES)
