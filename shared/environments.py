"""The environments: where each one lives and what it takes to change it.

An environment is a stack name that has stack files, one in every layer. `local` and every `local-…` live on the local
cloud of the clone; all others (`dev`, `prod`, an ephemeral `pr-123`) in an AWS account.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shared.errors import TxmonError
from shared.graph import LAYERS

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


def shown(path: Path) -> str:
    """A file of a layer as a person names it, as in `projects/network/Pulumi.dev.yaml`."""
    return str(path.relative_to(PROJECTS.parent))


def known_environments() -> list[str]:
    """The environments by name: also one that has a stack file in some layers only."""
    files = (path.name for layer in LAYERS for path in (PROJECTS / layer).glob("Pulumi.*.yaml"))
    return sorted({name.removeprefix("Pulumi.").removesuffix(".yaml") for name in files})


def find_environment(name: str) -> Environment:
    """The environment `name`.

    Raises:
        TxmonError: no layer has a stack file of that name; names the nearest one.
    """
    known = known_environments()
    if name not in known:
        raise TxmonError(f"there is no environment {name!r}; {suggestion(name, known)}")
    return environment(name)


def require_real_environments() -> None:
    """What `REAL` tells belongs to environments that exist: under a mistyped name it would guard nothing.

    Raises:
        TxmonError: one does not.
    """
    known = known_environments()
    for name in (each.name for each in REAL if each.name not in known):
        raise TxmonError(
            f"REAL in shared/environments.py: there is no environment {name!r}; {suggestion(name, known)}"
        )


def lacking(name: str, layers: Iterable[str] = tuple(LAYERS)) -> list[str]:
    """Those of `layers` that have no stack file of the environment `name`."""
    return [layer for layer in layers if not stack_file(layer, name).exists()]


def incomplete(name: str, layers: Iterable[str] = tuple(LAYERS)) -> str | None:
    """Which stack files of the environment are missing in `layers`, and what makes them; None if none is."""
    without = lacking(name, layers)
    if not without:
        return None
    files = ", ".join(shown(stack_file(layer, name)) for layer in without)
    whole = [other for other in known_environments() if other != name and not lacking(other, without)]
    return (
        f"{name} has no {files}: ./inv new-env {name} --like ENV makes {'it' if len(without) == 1 else 'them'}, "
        f"with the settings of ENV ({' or '.join(whole)})"
    )


def require_files(name: str, layers: Iterable[str]) -> None:
    """Each of `layers` has its project and its stack file, without which it would get production's defaults.

    A layer that the repository no longer has needs neither: only its stack is left to destroy.

    Raises:
        TxmonError: names what is missing and the command that makes it.
    """
    wanted = [layer for layer in LAYERS if layer in set(layers)]
    require_projects(wanted)
    fault = incomplete(name, wanted)
    if fault:
        raise TxmonError(fault)


def require_projects(layers: Iterable[str]) -> None:
    """Each of `layers` is a Pulumi project.

    Raises:
        TxmonError: names the file that is missing.
    """
    for path in (PROJECTS / layer / "Pulumi.yaml" for layer in layers):
        if not path.exists():
            raise TxmonError(
                f"{path.parent.name} has no {shown(path)}: git checkout {shown(path)}, "
                "or remove the layer from shared/graph.py too"
            )


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
