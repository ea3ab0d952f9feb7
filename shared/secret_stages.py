"""Names the stages of a secret that is rotated in two steps."""

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
"""Stages of a secret's version (Secrets Manager User Guide, "What's in a Secrets Manager secret?")."""


def stage_of(version: int) -> str:
    """Return the stage of a token that is rotated in two steps: an even number is pending, the next one current."""
    return CURRENT if version % 2 else PENDING
