"""Lists what the local cloud lacks of AWS, and what it adds to its emulator, for `./inv doctor`.

The specs and the completions are the only source.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gap:
    """Something that the emulator loses or lacks. The provider keeps it as it was given, so its drift is not seen."""

    subject: str
    """Properties of a resource type: `rds.Instance: latestRestorableTime`."""
    reason: str


def gaps() -> list[Gap]:
    """Return every gap that a spec or a completion declares."""
    from tools.localcloud.completions import COMPLETIONS  # noqa: PLC0415 - it needs botocore
    from tools.localcloud.resources import SPECS  # noqa: PLC0415 - it needs boto3, which not every caller does

    found = []
    for spec in SPECS.values():
        kind = spec.kind.replace("/", ":").split(":")
        short = f"{kind[1]}.{kind[-1]}"
        found += [Gap(f"{short}: {', '.join(keys.split())}", reason) for keys, reason in spec.unsupported.items()]
    found += [Gap(*lacking) for completion in COMPLETIONS for lacking in completion.lacks.items()]
    return sorted(found, key=lambda gap: gap.subject)


def completed() -> list[tuple[str, str]]:
    """Return what completions add to the emulator: its service, and what it then has."""
    from tools.localcloud.completions import COMPLETIONS  # noqa: PLC0415 - it needs botocore, as above

    return sorted((completion.service, completion.subject) for completion in COMPLETIONS)
