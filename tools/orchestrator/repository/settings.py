"""The settings of an environment: what its stack files say, and what its layers make of them with their defaults."""

import json
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from shared.environments import find_environment, require_files, shown, stack_file
from shared.errors import TxmonError
from shared.graph import LAYERS, project
from tools.orchestrator.repository.stack_files import written

SECRET = "[secret]"  # noqa: S105 (what is shown instead of one)


def is_secret(value: Any) -> bool:
    """Whether a setting, or a part of it, stands encrypted in the file."""
    if isinstance(value, dict):
        return "secure" in value or any(is_secret(part) for part in value.values())
    return isinstance(value, list) and any(is_secret(part) for part in value)


def effective(layer: str, env: str) -> dict[str, Any]:
    """All settings of a layer by their full keys: the file's, else the code's defaults; secret ones are not shown.

    Raises:
        TxmonError: a setting is not accepted.
    """
    import pulumi  # noqa: PLC0415 (half a second that views without settings save)

    from shared.config import require_known_keys  # noqa: PLC0415 (imports the SDK too)
    from tools.txmon.layers import config_class  # noqa: PLC0415 (as above)

    given = written(layer, env)
    secret = {key: SECRET for key, value in given.items() if is_secret(value)}
    namespace = f"{project(layer)}:"
    own = {
        key.removeprefix(namespace): given[key] for key in given if key.startswith(namespace) and key not in secret
    }
    file = shown(stack_file(layer, env))
    try:
        require_known_keys(given, project(layer), file)
        parsed = config_class(layer).parse({"environmentSuffix": env} | own, file)
    except pulumi.RunError as error:
        raise TxmonError(str(error)) from None
    taken = {f"{namespace}{key}": value for key, value in parsed.model_dump(mode="json", by_alias=True).items()}
    return {**given, **taken, **secret}


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same in two environments."""

    layer: str
    setting: str
    values: dict[str, Any]
    """By environment; None where there is no such setting."""


def differences(one: str, other: str) -> list[Difference]:
    """What differs between two environments; a secret setting always counts, as nobody can see whether it does.

    Raises:
        TxmonError: there is no such environment, or one lacks a stack file or has a setting that is not accepted.
    """
    environments = [find_environment(name).name for name in (one, other)]
    for env in environments:
        require_files(env, LAYERS)
    found = []
    for layer in LAYERS:
        settings = {env: _without_own_name(effective(layer, env), layer, env) for env in environments}
        for key in dict.fromkeys(key for values in settings.values() for key in values):
            values = {env: settings[env].get(key) for env in environments}
            if values[one] != values[other] or SECRET in values.values():
                found.append(Difference(layer, key, values))
    return found


def _without_own_name(settings: dict[str, Any], layer: str, env: str) -> dict[str, Any]:
    """Without the suffix where it is the environment's name: that it differs says nothing."""
    suffix = f"{project(layer)}:environmentSuffix"
    return {key: value for key, value in settings.items() if (key, value) != (suffix, env)}


def as_table(found: list[Difference], one: str, other: str) -> Table | str:
    if not found:
        return f"{one} and {other} have the same settings"
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "setting", one, other):
        table.add_column(heading, overflow="fold")
    for difference in found:
        values = [_shown(difference.values[env]) for env in (one, other)]
        table.add_row(difference.layer, difference.setting.rpartition(":")[2], *values)
    return table


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def as_json(found: list[Difference]) -> str:
    rows = [{"layer": each.layer, "setting": each.setting, **each.values} for each in found]
    return json.dumps(rows, indent=2)
