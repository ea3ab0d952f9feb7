"""The environments: where each one lives and what it takes to change it.

An environment is a stack name that has a stack file in every layer. `local` and every `local-…` live on the local
cloud of the clone; all others (`dev`, `prod`, an ephemeral `pr-123`) in an AWS account.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path

from shared.errors import TxmonError
from shared.layers import LAYERS

PROJECTS = Path(__file__).parent.parent / "projects"

LOCAL_ACCOUNT = "000000000000"
"""The account of the local cloud. AWS gives this number to nobody, so a local stack cannot touch a real account."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Facts of an environment that hold for all of its layers."""

    name: str
    account_id: str | None = None
    """The only account the provider may work in; None: whichever the credentials lead to."""
    secrets_provider: str | None = None
    """Pulumi's secrets provider for a new stack, as in `awskms://alias/…`; None: the backend's default."""

    @property
    def is_local(self) -> bool:
        return _is_local(self.name)


def _is_local(name: str) -> bool:
    return name == "local" or name.startswith("local-")


REAL: tuple[Environment, ...] = ()
"""What is known of your real environments. Write it here, as in

Environment(name="prod", account_id="123456789012", secrets_provider="awskms://alias/txmon-prod?region=ap-northeast-1")
"""


def environment(name: str) -> Environment:
    """The facts of the environment `name`; nothing is read and nothing has to exist."""
    if _is_local(name):
        return Environment(name=name, account_id=LOCAL_ACCOUNT)
    return next((known for known in REAL if known.name == name), Environment(name=name))


def stack_file(layer: str, name: str) -> Path:
    return PROJECTS / layer / f"Pulumi.{name}.yaml"


def known_environments() -> list[str]:
    """The environments that have a stack file in every layer."""
    names = {
        path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        for layer in LAYERS
        for path in (PROJECTS / layer).glob("Pulumi.*.yaml")
    }
    return sorted(name for name in names if all(stack_file(layer, name).exists() for layer in LAYERS))


def find_environment(name: str) -> Environment:
    """The environment `name`.

    Raises:
        TxmonError: no environment of that name has its stack files; names the nearest one.
    """
    known = known_environments()
    if name not in known:
        raise TxmonError(f"there is no environment {name!r}; {suggestion(name, known)}")
    return environment(name)


def find_layer(name: str) -> str:
    """The layer `name`.

    Raises:
        TxmonError: there is no such layer; names the nearest one.
    """
    if name not in LAYERS:
        raise TxmonError(f"there is no layer {name!r}; {suggestion(name, list(LAYERS))}")
    return name


def suggestion(name: str, known: list[str]) -> str:
    """`did you mean 'network'?`, or the names there are."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
