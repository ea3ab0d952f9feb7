"""From the URL of a state backend to its store."""

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.folder_store import FolderStore
from tools.orchestrator.state.object_store import ObjectStore


@cache
def open_store(backend: str) -> ObjectStore | None:
    """Return the store of a `file:///…` or `s3://…` backend; None for every other backend.

    Raises:
        OrchestratorError: the URL of a bucket cannot be used, or the folder does not exist.
    """
    url = urlsplit(backend)
    if url.scheme == "s3":
        from tools.orchestrator.state.s3_store import s3_store  # noqa: PLC0415 (only S3 needs the AWS SDK)

        return s3_store(url)
    if url.scheme != "file" or url.netloc:
        return None
    folder = Path(unquote(url.path))
    if not folder.is_dir():  # otherwise everything seems never deployed, and the first lock creates the folder
        raise OrchestratorError(
            f"the state backend {backend} is not a folder: create it, or check PULUMI_BACKEND_URL"
        )
    return FolderStore(folder)
