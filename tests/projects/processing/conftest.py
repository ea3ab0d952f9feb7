from collections.abc import Iterator

import pytest

from tests.support.processing import Flow, flow


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    with flow(tmp_path_factory.mktemp("stores")) as found:
        yield found


@pytest.fixture
def system(running: Flow) -> Flow:
    """Return consumer and migrator on real stores that hold nothing."""
    running.clear()
    return running
