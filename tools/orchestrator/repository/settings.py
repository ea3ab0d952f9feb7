"""The settings of an environment: what its stack files say, and the layers' defaults."""

from dataclasses import dataclass
from typing import Any

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import SECRET
from tools.orchestrator.repository.environments import find_environment, require_files
from tools.orchestrator.repository.stack_files import settings_in_file


def is_secret(value: Any) -> bool:
    """Return whether a setting, or a part of it, is encrypted in the file."""
    if isinstance(value, dict):
        return "secure" in value or any(is_secret(part) for part in value.values())
    return isinstance(value, list) and any(is_secret(part) for part in value)


def effective(monorepo: Monorepo, layer: str, env: str) -> dict[str, Any]:
    """Return all settings of a layer by their full keys: the file's, else the defaults; secrets are masked.

    Raises:
        OrchestratorError: a setting is not accepted.
    """
    import pulumi  # noqa: PLC0415 (takes half a second, which verbs without settings save)

    file = monorepo.display(monorepo.stack_file(layer, env))
    given = settings_in_file(monorepo, layer, env)
    try:
        return monorepo.layers[layer].config().effective(given, monorepo.project(layer), env, file)
    except pulumi.RunError as error:
        raise OrchestratorError(str(error)) from None


@dataclass(frozen=True)
class Difference:
    """A setting that differs between two environments."""

    layer: str
    setting: str
    values: dict[str, Any]
    """By environment; None if it has no such setting."""


def differences(monorepo: Monorepo, one: str, other: str) -> list[Difference]:
    """Return what differs between two environments. A secret setting always counts: it cannot be compared.

    Raises:
        OrchestratorError: there is no such environment, or one lacks a stack file or has a setting that is not
            accepted.
    """
    environments = [find_environment(monorepo, name).name for name in (one, other)]
    for env in environments:
        require_files(monorepo, env, monorepo.layers)
    found = []
    for layer in monorepo.layers:
        settings = {env: _without_own_name(monorepo, layer, env) for env in environments}
        for key in dict.fromkeys(key for values in settings.values() for key in values):
            values = {env: settings[env].get(key) for env in environments}
            if values[one] != values[other] or SECRET in values.values():
                found.append(Difference(layer, key, values))
    return found


def _without_own_name(monorepo: Monorepo, layer: str, env: str) -> dict[str, Any]:
    """Return the settings without an environmentSuffix equal to the environment's name, which always differs."""
    suffix = f"{monorepo.project(layer)}:environmentSuffix"
    return {key: value for key, value in effective(monorepo, layer, env).items() if (key, value) != (suffix, env)}
