"""An environment's lock in the S3 bucket that holds its state, which is reached as the engine reaches it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import TxmonError

TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
"""What S3 answers to a conditional write when there is an object, or one is just being written or deleted."""
PATH_STYLE = ("use_path_style", "s3ForcePathStyle")
TRUE = {"1", "t", "true"}


@dataclass(frozen=True)
class ObjectPlace:
    """An object in an S3 bucket, made by a conditional write (S3 user guide, conditional writes: If-None-Match)."""

    client: Any
    bucket: str
    key: str

    def create(self, text: str) -> bool:
        with self._explained():
            try:
                self.client.put_object(Bucket=self.bucket, Key=self.key, Body=text.encode(), IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] in TAKEN:
                    return False
                raise
        return True

    def read(self) -> str | None:
        with self._explained():
            try:
                body: bytes = self.client.get_object(Bucket=self.bucket, Key=self.key)["Body"].read()
            except self.client.exceptions.NoSuchKey:
                return None
        return body.decode()

    def delete(self) -> None:
        with self._explained():
            self.client.delete_object(Bucket=self.bucket, Key=self.key)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Tell in a sentence what S3 refuses, or that it does not answer."""
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise TxmonError(f"the lock s3://{self.bucket}/{self.key} is out of reach: {error}") from None


def object_place(backend: SplitResult, name: str) -> ObjectPlace:
    """The object `name` beside the state in `backend`, as in `s3://bucket/folder?region=…`.

    Raises:
        TxmonError: the URL names a profile that does not exist, or an endpoint that cannot be.
    """
    folder = backend.path.strip("/")
    try:
        client = _client({key: values[0] for key, values in parse_qs(backend.query).items()})
    except (BotoCoreError, ValueError) as error:
        raise TxmonError(f"the state backend {backend.geturl()} cannot be used: {error}") from None
    return ObjectPlace(client, backend.netloc, f"{folder}/{name}" if folder else name)


def _client(query: dict[str, str]) -> Any:
    """A client by the parameters that a URL has for the engine (gocloud.dev/blob/s3blob and gocloud.dev/aws)."""
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
