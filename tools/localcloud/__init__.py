"""The local cloud: an AWS emulator and a Pulumi provider for it, in one background process per home.

Deploys and end-to-end tests need neither an AWS account nor Docker because of it.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.gaps import gaps
from tools.localcloud.home import Cloud
from tools.localcloud.lifecycle import PROVIDERS, LocalCloud

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["PROVIDERS", "Cloud", "LocalCloud", "LocalCloudError", "gaps"]


# For callers that do not have a `LocalCloud` yet.


def start(home: Path, *, port: int | None = None) -> SimpleNamespace:
    return SimpleNamespace(set_aside=LocalCloud(home).start(port=port))


def stop(home: Path) -> bool:
    return LocalCloud(home).stop()


def status(home: Path) -> Cloud | None:
    return LocalCloud(home).status()


def environment(home: Path) -> dict[str, str]:
    return LocalCloud(home).variables()


def created(home: Path, urns: Iterable[str]) -> dict[str, str]:
    return LocalCloud(home).created(urns)


def chosen_provider(home: Path) -> str:
    return LocalCloud(home).provider


def choose_provider(home: Path, name: str) -> None:
    LocalCloud(home).choose_provider(name)
