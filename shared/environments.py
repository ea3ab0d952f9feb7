"""The environments: where each one is deployed, and what is known about it.

An environment is a stack name with a stack file in every layer. `local` and every `local-…` are deployed to the local
cloud of the clone; all others (`dev`, `prod`, an ephemeral `pr-123`) to an AWS account.
"""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECTS = Path(__file__).parent.parent / "projects"

LOCAL_ACCOUNT = "000000000000"
"""The account of the local cloud. AWS gives this number to nobody, so a local stack cannot touch a real account."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Facts of an environment that hold for all of its layers."""

    name: str
    account_id: str | None = None
    """The only account that the provider may work in; None if the credentials decide."""
    secrets_provider: str | None = None
    """Pulumi's secrets provider for a new stack, as in `awskms://alias/…`; None for the backend's default."""
    backend: str | None = None
    """The URL of Pulumi's state backend, as in `s3://…`; None for the one that `pulumi login` has chosen."""
    lacks: str = ""
    """What this machine has no server for, as in `PostgreSQL, Valkey`. Nothing is lacking on AWS."""

    @property
    def is_local(self) -> bool:
        return is_local(self.name)


def is_local(name: str) -> bool:
    """Return whether an environment is deployed to the local cloud."""
    return name == "local" or name.startswith("local-")


REAL: tuple[Environment, ...] = ()
"""The facts of your real environments; one whose settings protect it needs all of them. Write them here, as in

Environment(
    name="prod",
    account_id="123456789012",
    secrets_provider="awskms://alias/txmon-prod?region=ap-northeast-1",
    backend="s3://txmon-state-prod?region=ap-northeast-1",
)
"""


def environment(name: str) -> Environment:
    """Return the facts of an environment, whether or not it has stack files."""
    if is_local(name):
        return Environment(name=name, account_id=LOCAL_ACCOUNT, lacks=os.environ.get("LOCAL_CLOUD_LACKS", ""))
    return next((known for known in REAL if known.name == name), Environment(name=name))


def stack_file(layer: str, env: str) -> Path:
    return PROJECTS / layer / f"Pulumi.{env}.yaml"
