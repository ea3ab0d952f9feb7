"""State in an S3 bucket, reached as the engine reaches it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.object_store import StoredObject

CONDITION_FAILED = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}
"""S3's error codes for a conditional request on an object that exists, does not exist, or is being written."""
PATH_STYLE = ("use_path_style", "s3ForcePathStyle")
TRUE = {"1", "t", "true"}


@dataclass(frozen=True)
class S3Store:
    """A bucket, or a folder in one; writes are conditional (S3 user guide, "Conditional requests")."""

    client: Any
    bucket: str
    folder: str

    def list(self, prefix: str) -> list[str]:
        root = f"{self._key(prefix)}/"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=root)
        with _explained(self.url(prefix)):
            return sorted(found["Key"].removeprefix(root) for page in pages for found in page.get("Contents", ()))

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._key(key)}"

    def get(self, key: str) -> StoredObject | None:
        with _explained(self.url(key)):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self._key(key))
            except self.client.exceptions.NoSuchKey:
                return None
            return StoredObject(answer["Body"].read().decode(errors="replace"), version=answer["ETag"])

    def put_if_absent(self, key: str, text: str) -> bool:
        return self._conditional(self.client.put_object, key, Body=text.encode(), IfNoneMatch="*")

    def put_if_match(self, key: str, text: str, version: str) -> bool:
        return self._conditional(self.client.put_object, key, Body=text.encode(), IfMatch=version)

    def delete_if_match(self, key: str, version: str) -> bool:
        return self._conditional(self.client.delete_object, key, IfMatch=version)

    def _conditional(self, request: Callable[..., Any], key: str, **parameters: Any) -> bool:
        """Return whether the condition of a request held, and so it was done."""
        with _explained(self.url(key)):
            try:
                request(Bucket=self.bucket, Key=self._key(key), **parameters)
            except ClientError as error:
                if error.response["Error"]["Code"] in CONDITION_FAILED:
                    return False
                raise
        return True

    def _key(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn S3's refusal, or its silence, into a sentence."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise OrchestratorError(
            f"{url} is out of reach: {error}; check PULUMI_BACKEND_URL and the AWS credentials"
        ) from None


def s3_store(backend: SplitResult) -> S3Store:
    """Return the store of a backend's URL, as in `s3://bucket/folder?region=…`.

    Raises:
        OrchestratorError: the URL names a profile that does not exist, or an endpoint that is not valid.
    """
    try:
        client = _client({key: values[0] for key, values in parse_qs(backend.query).items()})
    except (BotoCoreError, ValueError) as error:
        raise OrchestratorError(f"the state backend {backend.geturl()} cannot be used: {error}") from None
    return S3Store(client, backend.netloc, backend.path.strip("/"))


def _client(query: dict[str, str]) -> Any:
    """Return a client for the URL parameters that the engine knows (gocloud.dev/blob/s3blob, gocloud.dev/aws)."""
    endpoint = query.get("endpoint")
    if endpoint and "://" not in endpoint:
        endpoint = f"{'http' if _is_true(query, 'disableSSL') else 'https'}://{endpoint}"
    config = Config(
        s3={"addressing_style": "path" if any(_is_true(query, name) for name in PATH_STYLE) else "virtual"},
        # Other stores than AWS's may not know the checksums that newer SDKs add.
        request_checksum_calculation="when_required" if endpoint else None,
    )
    session = boto3.Session(profile_name=query.get("profile"), region_name=query.get("region"))
    return session.client("s3", endpoint_url=endpoint, config=config)


def _is_true(query: dict[str, str], name: str) -> bool:
    return query.get(name, "").lower() in TRUE
