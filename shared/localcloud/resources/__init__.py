"""The resource types the local cloud has, by Pulumi's token."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from shared.localcloud.resources import ec2, iam, kinesis, kms

if TYPE_CHECKING:
    from shared.localcloud.spec import Spec

SPECS: Final[dict[str, Spec]] = {
    spec.kind: spec for spec in chain.from_iterable(module.SPECS for module in (ec2, iam, kinesis, kms))
}
