"""Gives the tests of a file a PostgreSQL and a Valkey of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.servers import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Stores


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with servers(tmp_path_factory.mktemp("home")) as made:
        yield made
