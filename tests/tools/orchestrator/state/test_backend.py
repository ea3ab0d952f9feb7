"""From the URL of a state backend to its store."""

from pathlib import Path

import pytest

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.backend import open_store
from tools.orchestrator.state.folder_store import FolderStore


def test_a_folder_that_does_not_exist_is_refused_and_not_created(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/all%20states"
    with pytest.raises(
        OrchestratorError, match=rf"the state backend {url} is not a folder: create it, or check PULU"
    ):
        open_store(url)
    assert not list(tmp_path.iterdir())
    (tmp_path / "all states").mkdir()
    assert open_store(url) == FolderStore(tmp_path / "all states")


@pytest.mark.parametrize(
    "url", ["", "https://api.pulumi.com", "gs://states", "azblob://states", "file://host/states"]
)
def test_other_backends_have_no_store(url: str) -> None:
    assert open_store(url) is None
