"""Environments that come and go: made like another one, with a day on which they expire."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from shared.environments import (
    environment,
    find_environment,
    known_environments,
    lacking,
    require_files,
    shown,
    stack_file,
)
from shared.errors import TxmonError
from shared.graph import LAYERS, project
from shared.names import Names
from tools.orchestrator.repository import settings
from tools.orchestrator.repository.stack_files import written


def today() -> date:
    """The day that expiry is counted in, the same for everybody: UTC's."""
    return datetime.now(UTC).date()


@dataclass(frozen=True)
class Made:
    """The stack files of a new environment."""

    files: list[Path]
    left_out: list[str]
    """Secret settings of the environment it is like: encrypted with that one's key, so they cannot be copied."""

    @property
    def said(self) -> list[str]:
        """What was made, and what is left to set, a line each."""
        files = [f"made {shown(path)}" for path in self.files]
        return files + [f"left out {key}, which is secret: set it with pulumi config set" for key in self.left_out]


def make_environment(name: str, like: str, expires: date | None) -> Made:
    """Write the stack files of an environment with the settings of another; nothing else is made.

    One that expires is not protected, whatever it is like: it has to be destroyable on its day. Of an environment
    that lacks some of its stack files only those are made, with the suffix, region and expiry of the others. All are
    written, or none.

    Raises:
        TxmonError: the name makes names that AWS refuses, or is taken; there is no environment `like`, or it lacks
            what is to be taken from it.
        OSError: a file cannot be written.
    """
    find_environment(like)
    layers = _layers_to_make(name)
    require_files(like, layers)
    if expires and len(layers) < len(LAYERS):
        raise TxmonError(f"{name} has stack files already, which say whether it expires: leave out --expires")
    expires = expires or _expires(name)
    given = {layer: written(layer, like) for layer in layers}
    left_out = [key for values in given.values() for key, value in values.items() if settings.is_secret(value)]
    common = _in_common(name, expires)
    texts = {stack_file(layer, name): _stack_file(layer, name, like, given[layer], common) for layer in layers}
    _write(texts)
    return Made(list(texts), left_out)


def _write(texts: dict[Path, str]) -> None:
    """Write new files: all, or none."""
    try:
        for path, text in texts.items():
            path.write_text(text)
    except OSError:
        for path in texts:
            path.unlink(missing_ok=True)
        raise


def _layers_to_make(name: str) -> list[str]:
    """The layers that have no stack file of the environment yet.

    Raises:
        TxmonError: its name makes names that AWS refuses, or every layer has one.
    """
    try:
        Names(name)
    except ValueError as error:
        raise TxmonError(f"an environment cannot have this name: {error}") from None
    layers = lacking(name)
    if not layers:
        raise TxmonError(f"there is an environment {name!r} already, with a stack file in every layer")
    return layers


def _stack_file(layer: str, name: str, like: str, given: dict[str, Any], common: dict[str, tuple[Any, str]]) -> str:
    own = f"{project(layer)}:"
    reasons = {
        key: (value, f"as in {like}")
        for key, value in given.items()
        if not settings.is_secret(value) and key not in {f"{own}environmentSuffix", f"{own}expires"}
    }
    reasons |= {key if ":" in key else f"{own}{key}": told for key, told in common.items()}
    lines = [f"# Made like {like} by ./inv new-env.", "config:"]
    lines += [f"  {key}: {json.dumps(value)} # {reason}" for key, (value, reason) in reasons.items()]
    if environment(name).is_local:
        lines += ["# Every local environment has the same passphrase.", f"encryptionsalt: {_local_salt()}"]
    return "\n".join(lines) + "\n"


def _in_common(name: str, expires: date | None) -> dict[str, tuple[Any, str]]:
    """What every layer's stack file of the environment says, with the reason.

    The region and, if one is set, the suffix, as the first stack file that has them says; and that it expires.
    """
    found: dict[str, tuple[Any, str]] = {}
    for layer in _present(name):
        for key, value in written(layer, name).items():
            setting = key.removeprefix(f"{project(layer)}:")
            if setting in {"aws:region", "environmentSuffix"}:
                found.setdefault(setting, (value, f"as in the other layers of {name}"))
    if expires:
        found["protect"] = (False, "it expires")
        found["expires"] = (expires.isoformat(), "./inv status and the tag Expires tell it")
    return found


def _local_salt() -> str:
    """Of the passphrase of the local environments; every layer has the same."""
    return str(yaml.safe_load(stack_file(_present("local")[0], "local").read_text())["encryptionsalt"])


def _present(name: str) -> list[str]:
    """The layers that have a stack file of the environment."""
    without = lacking(name)
    return [layer for layer in LAYERS if layer not in without]


def parse_expiry(text: str) -> date:
    """The day that `3d` (from today) or `2026-12-31` means.

    Raises:
        TxmonError: it is neither, or not after today.
    """
    days = re.fullmatch(r"(\d{1,4})d", text)
    try:
        day = today() + timedelta(days=int(days[1])) if days else date.fromisoformat(text)
    except ValueError:
        raise TxmonError(f"--expires {text!r} is neither a number of days (3d) nor a date (2026-12-31)") from None
    if day <= today():
        raise TxmonError(f"--expires {text}: that is {day}, but it has to be after today, {today()}")
    return day


@dataclass(frozen=True)
class Lifetime:
    """An environment, where it lives and until when."""

    env: str
    lives: str
    expires: date | None
    lacking: list[str]
    """The layers that have no stack file of it."""

    @property
    def expired(self) -> bool:
        return self.expires is not None and self.expires <= today()

    def __str__(self) -> str:
        return (
            f"{self.env} expired on {self.expires}: ./inv destroy-all --env {self.env}, "
            f"then delete projects/*/Pulumi.{self.env}.yaml"
        )


def lifetimes() -> list[Lifetime]:
    """Every environment, those that expire first in front.

    Raises:
        TxmonError: a stack file cannot be read, or has an expiry that is no date.
    """
    found = [Lifetime(name, _lives(name), _expires(name), lacking(name)) for name in known_environments()]
    return sorted(found, key=lambda each: (each.expires or date.max, each.env))


def _lives(name: str) -> str:
    known = environment(name)
    if known.is_local:
        return "local cloud"
    return f"AWS account {known.account_id}" if known.account_id else "AWS"


def _expires(name: str) -> date | None:
    """The first day that a layer's stack file names."""
    days = []
    for layer in _present(name):
        value = written(layer, name).get(f"{project(layer)}:expires")
        if value is not None:
            try:
                days.append(date.fromisoformat(str(value)))
            except ValueError:
                raise TxmonError(
                    f"{shown(stack_file(layer, name))}: expires: {value!r} is no date as in 2026-12-31"
                ) from None
    return min(days, default=None)


def as_table(found: list[Lifetime]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("environment", "lives in", "expires", "no stack file in"):
        table.add_column(heading)
    for each in found:
        when = f"{each.expires}{' (expired)' if each.expired else ''}" if each.expires else "never"
        style = "bold red" if each.expired else ""
        table.add_row(each.env, each.lives, when, ", ".join(each.lacking), style=style)
    return table


def as_json(found: list[Lifetime]) -> str:
    rows = [
        {
            "environment": each.env,
            "lives_in": each.lives,
            "expires": each.expires and each.expires.isoformat(),
            "expired": each.expired,
            "no_stack_file_in": each.lacking,
        }
        for each in found
    ]
    return json.dumps(rows, indent=2)
