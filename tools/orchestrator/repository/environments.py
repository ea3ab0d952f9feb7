"""Which environments the repository has: an environment is a stack name with a stack file in every layer."""

from collections.abc import Iterable

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Environment, Monorepo, suggestion


def known_environments(monorepo: Monorepo) -> list[str]:
    """Return the environments by name, also one that has a stack file in some layers only."""
    files = (path.name for layer in monorepo.layers for path in (monorepo.projects / layer).glob("Pulumi.*.yaml"))
    return sorted({name.removeprefix("Pulumi.").removesuffix(".yaml") for name in files})


def find_environment(monorepo: Monorepo, name: str) -> Environment:
    """Return the environment `name`; every verb that works on one begins with this.

    Raises:
        OrchestratorError: no layer has a stack file of that name (names the nearest one), or the repository declares
            facts about an environment that does not exist: a mistyped name would guard nothing.
    """
    known = known_environments(monorepo)
    if name not in known:
        raise OrchestratorError(f"there is no environment {name!r}; {suggestion(name, known)}")
    for declared in monorepo.declared_environments:
        if declared not in known:
            raise OrchestratorError(
                f"REAL in shared/environments.py: there is no environment {declared!r}; {suggestion(declared, known)}"
            )
    return monorepo.environment(name)


def without_stack_file(monorepo: Monorepo, env: str, layers: Iterable[str] | None = None) -> list[str]:
    """Return those of `layers` (by default all) that have no stack file of the environment."""
    chosen = monorepo.layers if layers is None else layers
    return [layer for layer in chosen if not monorepo.stack_file(layer, env).exists()]


def missing_files(monorepo: Monorepo, env: str, layers: Iterable[str] | None = None) -> str | None:
    """Return which stack files are missing in `layers` (by default all) and the remedy; None if none is."""
    missing = without_stack_file(monorepo, env, layers)
    if not missing:
        return None
    files = ", ".join(monorepo.display(monorepo.stack_file(layer, env)) for layer in missing)
    complete = [
        other
        for other in known_environments(monorepo)
        if other != env and not without_stack_file(monorepo, other, missing)
    ]
    return (
        f"{env} has no {files}: ./inv new-env {env} --like ENV makes {'it' if len(missing) == 1 else 'them'}, "
        f"with the settings of ENV ({' or '.join(complete)})"
    )


def require_files(monorepo: Monorepo, env: str, layers: Iterable[str]) -> None:
    """Check that each of `layers` has its project and its stack file: without that it would get default settings.

    A removed layer needs neither: its stack can only be destroyed.

    Raises:
        OrchestratorError: names the missing files and the command that makes them.
    """
    chosen = [layer for layer in monorepo.layers if layer in set(layers)]
    require_projects(monorepo, chosen)
    fault = missing_files(monorepo, env, chosen)
    if fault:
        raise OrchestratorError(fault)


def require_projects(monorepo: Monorepo, layers: Iterable[str]) -> None:
    """Check that each of `layers` is a Pulumi project.

    Raises:
        OrchestratorError: names the missing file.
    """
    for layer in layers:
        path = monorepo.project_file(layer)
        if not path.exists():
            file = monorepo.display(path)
            raise OrchestratorError(
                f"{layer} has no {file}: git checkout {file}, or remove the layer from shared/graph.py too"
            )
