"""The arithmetic of the address plan, without Pulumi."""

from collections.abc import Sequence
from ipaddress import IPv4Network
from itertools import islice

PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
"""Private address ranges (RFC 1918)."""

LARGEST, SMALLEST = 16, 28
"""Shortest and longest prefix of VPCs and subnets (Amazon VPC User Guide, "VPC CIDR blocks" and "Subnet sizing")."""

ZONES = 3
"""PostgreSQL and Redis keep a standby in a second zone; a third allows a failover while one zone is down."""


def plan(vpc_cidr: IPv4Network, prefix: int, zones: Sequence[str]) -> dict[str, IPv4Network]:
    """Return one subnet for each zone, in the order of the zones.

    The first block of the VPC stays free if the others are enough, as in 10.0.1.0/24, 10.0.2.0/24, 10.0.3.0/24.

    Raises:
        ValueError: the range is not private, the zones are not three different ones, or the subnets do not fit.
    """
    if not any(vpc_cidr.subnet_of(private) for private in PRIVATE):
        raise ValueError(f"vpcCidr {vpc_cidr} must lie in {', '.join(map(str, PRIVATE))}")
    if not LARGEST <= vpc_cidr.prefixlen <= SMALLEST:
        raise ValueError(f"vpcCidr {vpc_cidr} must be a /{LARGEST} to a /{SMALLEST}, as AWS takes them")
    if len(set(zones)) != ZONES or len(zones) != ZONES:
        raise ValueError(f"availabilityZones must be three different zones, not {', '.join(zones) or 'none'}")
    blocks = 2 ** (prefix - vpc_cidr.prefixlen) if prefix >= vpc_cidr.prefixlen else 0
    if blocks < ZONES:
        fits = f"a prefix of {vpc_cidr.prefixlen + 2} to {SMALLEST} fits"
        wider = "widen vpcCidr" if vpc_cidr.prefixlen + 2 > SMALLEST else fits
        raise ValueError(f"three subnets of /{prefix} do not fit in vpcCidr {vpc_cidr}: {wider}")
    first = 1 if blocks > ZONES else 0
    return dict(zip(zones, islice(vpc_cidr.subnets(new_prefix=prefix), first, first + ZONES), strict=True))
