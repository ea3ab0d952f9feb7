"""Gives the tests of a file an emulator of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.emulator import running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an emulator that the tests of a file share."""
    with running(tmp_path_factory.mktemp("home")) as made:
        yield made
