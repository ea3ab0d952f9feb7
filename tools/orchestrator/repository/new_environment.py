"""Environments that come and go: created like another one, with a date on which they expire."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository import settings
from tools.orchestrator.repository.environments import (
    find_environment,
    known_environments,
    require_files,
    without_stack_file,
)
from tools.orchestrator.repository.stack_files import settings_in_file


def current_date() -> date:
    """Return the current date in UTC, by which environments expire."""
    return datetime.now(UTC).date()


@dataclass(frozen=True)
class NewEnvironment:
    """The stack files of a new environment."""

    files: list[Path]
    skipped_secrets: list[str]
    """Settings that are not copied, because they are encrypted with the key of the other environment."""


def create(monorepo: Monorepo, name: str, like: str, expires: date | None) -> NewEnvironment:
    """Write the stack files of an environment with the settings of another one; nothing else is created.

    What no two environments should have in common (`unlike_others`) is chosen anew.

    An environment that expires is not protected, so that it can be destroyed on that date. If the environment already
    has some of its stack files, only the missing ones are written, with the suffix, region and expiry of the others.
    All files are written, or none.

    Raises:
        OrchestratorError: the name leads to names that AWS refuses, or is taken; the environment `like` does not
            exist or lacks a stack file.
        OSError: a file cannot be written.
    """
    find_environment(monorepo, like)
    layers = _layers_to_create(monorepo, name)
    require_files(monorepo, like, layers)
    if expires and len(layers) < len(monorepo.layers):
        raise OrchestratorError(f"{name} has stack files already, which say whether it expires: leave out --expires")
    expires = expires or _expires(monorepo, name)
    given = {layer: settings_in_file(monorepo, layer, like) for layer in layers}
    skipped = [key for values in given.values() for key, value in values.items() if settings.is_secret(value)]
    common = _common_settings(monorepo, name, expires)
    texts = {
        monorepo.stack_file(layer, name): _stack_file(
            monorepo, layer, name, like=like, given=given[layer], common=common | _own_settings(monorepo, layer, name)
        )
        for layer in layers
    }
    _write(texts)
    return NewEnvironment(list(texts), skipped)


def _write(texts: dict[Path, str]) -> None:
    """Write new files: all, or none."""
    try:
        for path, text in texts.items():
            path.write_text(text, "utf-8")
    except OSError:
        for path in texts:
            path.unlink(missing_ok=True)
        raise


def _layers_to_create(monorepo: Monorepo, name: str) -> list[str]:
    """Return the layers that have no stack file of the environment yet.

    Raises:
        OrchestratorError: its name leads to names that AWS refuses, or every layer has one.
    """
    try:
        monorepo.check_name(name)
    except ValueError as error:
        raise OrchestratorError(f"an environment cannot have this name: {error}") from None
    layers = without_stack_file(monorepo, name)
    if not layers:
        raise OrchestratorError(f"there is an environment {name!r} already, with a stack file in every layer")
    return layers


def _stack_file(
    monorepo: Monorepo,
    layer: str,
    name: str,
    *,
    like: str,
    given: dict[str, Any],
    common: dict[str, tuple[Any, str]],
) -> str:
    own = f"{monorepo.project(layer)}:"
    left_out = {"environmentSuffix", "expires"} | {key for other, key in monorepo.not_copied if other == layer}
    reasons = {
        key: (value, f"as in {like}")
        for key, value in given.items()
        if not settings.is_secret(value) and key.removeprefix(own) not in left_out
    }
    reasons |= {key if ":" in key else f"{own}{key}": setting for key, setting in common.items()}
    lines = [f"# Made like {like} by ./inv new-env.", "config:"]
    lines += [f"  {key}: {json.dumps(value)} # {reason}" for key, (value, reason) in reasons.items()]
    if monorepo.environment(name).is_local:
        lines += ["# Every local environment has the same passphrase.", f"encryptionsalt: {_local_salt(monorepo)}"]
    return "\n".join(lines) + "\n"


def _common_settings(monorepo: Monorepo, name: str, expires: date | None) -> dict[str, tuple[Any, str]]:
    """Return what every stack file of the environment says, with the reason: region, suffix and expiry.

    Region and suffix come from the first existing stack file that sets them.
    """
    found: dict[str, tuple[Any, str]] = {}
    for layer in _layers_with_file(monorepo, name):
        for key, value in settings_in_file(monorepo, layer, name).items():
            setting = key.removeprefix(f"{monorepo.project(layer)}:")
            if setting in {"aws:region", "environmentSuffix"}:
                found.setdefault(setting, (value, f"as in the other layers of {name}"))
    if expires:
        found["protect"] = (False, "it expires")
        found["expires"] = (expires.isoformat(), "./inv status and the tag Expires show it")
    return found


def _own_settings(monorepo: Monorepo, layer: str, name: str) -> dict[str, tuple[Any, str]]:
    """Return what a stack file of an environment that has none yet has to say otherwise than all others."""
    if layer not in monorepo.unlike_others or name in known_environments(monorepo):
        return {}
    setting, choose = monorepo.unlike_others[layer]
    key = f"{monorepo.project(layer)}:{setting}"
    others = [env for env in known_environments(monorepo) if monorepo.stack_file(layer, env).exists()]
    taken = [settings.effective(monorepo, layer, env)[key] for env in others]
    return {key: (choose(taken), "no other environment has it")}


def _local_salt(monorepo: Monorepo) -> str:
    """Return the salt of the passphrase of local environments, which is the same in every layer."""
    layer = _layers_with_file(monorepo, "local")[0]
    return str(yaml.safe_load(monorepo.stack_file(layer, "local").read_text("utf-8"))["encryptionsalt"])


def _layers_with_file(monorepo: Monorepo, name: str) -> list[str]:
    missing = without_stack_file(monorepo, name)
    return [layer for layer in monorepo.layers if layer not in missing]


def parse_expiry(text: str, today: date | None = None) -> date:
    """Return the date that `3d` (from today) or `2026-12-31` means.

    Raises:
        OrchestratorError: it is neither, or not after today.
    """
    today = today or current_date()
    days = re.fullmatch(r"(\d{1,4})d", text)
    try:
        day = today + timedelta(days=int(days[1])) if days else date.fromisoformat(text)
    except ValueError:
        raise OrchestratorError(
            f"--expires {text!r} is neither a number of days (3d) nor a date (2026-12-31)"
        ) from None
    if day <= today:
        raise OrchestratorError(f"--expires {text} ({day}) is not after today, {today}")
    return day


@dataclass(frozen=True)
class Lifetime:
    """An environment: where it is deployed, and until when."""

    env: str
    location: str
    expires: date | None
    expired: bool
    without_stack_file: list[str]
    """The layers that have no stack file of it."""

    def __str__(self) -> str:
        return (
            f"{self.env} expired on {self.expires}: ./inv destroy-all --env {self.env}, "
            f"then delete projects/*/Pulumi.{self.env}.yaml"
        )


def lifetimes(monorepo: Monorepo, today: date | None = None) -> list[Lifetime]:
    """Return every environment as of today, those that expire first in front.

    Raises:
        OrchestratorError: a stack file cannot be read, or its expiry is not a date.
    """
    today = today or current_date()
    found = [_lifetime(monorepo, name, today) for name in known_environments(monorepo)]
    return sorted(found, key=lambda each: (each.expires or date.max, each.env))


def _lifetime(monorepo: Monorepo, name: str, today: date) -> Lifetime:
    expires = _expires(monorepo, name)
    return Lifetime(
        name,
        _location(monorepo, name),
        expires,
        expired=expires is not None and expires <= today,
        without_stack_file=without_stack_file(monorepo, name),
    )


def _location(monorepo: Monorepo, name: str) -> str:
    known = monorepo.environment(name)
    if known.is_local:
        return "local cloud"
    return f"AWS account {known.account_id}" if known.account_id else "AWS"


def _expires(monorepo: Monorepo, name: str) -> date | None:
    """Return the first date that a stack file names."""
    days = []
    for layer in _layers_with_file(monorepo, name):
        value = settings_in_file(monorepo, layer, name).get(f"{monorepo.project(layer)}:expires")
        if value is not None:
            try:
                days.append(date.fromisoformat(str(value)))
            except ValueError:
                raise OrchestratorError(
                    f"{monorepo.display(monorepo.stack_file(layer, name))}: "
                    f"expires: {value!r} is not a date (YYYY-MM-DD)"
                ) from None
    return min(days, default=None)
