"""A deployed profile for each module."""

from collections.abc import Iterator

import pytest

from tests.support.changes import Profiles


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Profiles]:
    """Yield the profile that the module names in `PROFILE`; its local cloud is stopped at the end."""
    found = Profiles(tmp_path_factory.mktemp, request.module.PROFILE)
    yield found
    found.discard()
