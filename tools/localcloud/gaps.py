"""What differs from AWS in the local cloud, for `inv doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gap:
    """Something the emulator loses or lacks; the provider keeps it from the inputs, so drift in it is not seen."""

    subject: str  # a resource type, or `type: properties`
    reason: str


def gaps() -> list[Gap]:
    """Every gap that a spec declares."""
    from tools.localcloud.resources import SPECS  # noqa: PLC0415 - it needs boto3, which not every caller does

    found = []
    for spec in SPECS.values():
        kind = spec.kind.replace("/", ":").split(":")
        short = f"{kind[1]}.{kind[-1]}"
        if spec.missing:
            found.append(Gap(short, spec.missing))
        found += [Gap(f"{short}: {', '.join(keys.split())}", reason) for keys, reason in spec.lost.items()]
    return sorted(found, key=lambda gap: gap.subject)
