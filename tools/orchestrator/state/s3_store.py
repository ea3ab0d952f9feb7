"""The S3 bucket that holds the state, reached as the engine reaches it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import TxmonError
from tools.orchestrator.state.folder_store import Found

OTHERWISE = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}
"""What S3 answers to a conditional request where an object is (or is not), or is just being written or deleted."""
PATH_STYLE = ("use_path_style", "s3ForcePathStyle")
TRUE = {"1", "t", "true"}


@dataclass(frozen=True)
class ObjectPlace:
    """An object in an S3 bucket, written conditionally (S3 user guide, "Conditional requests")."""

    client: Any
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def create(self, text: str) -> bool:
        return self._held_good(self.client.put_object, Body=text.encode(), IfNoneMatch="*")

    def read(self) -> Found | None:
        with explained(self):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self.key)
            except self.client.exceptions.NoSuchKey:
                return None
            return Found(answer["Body"].read().decode(errors="replace"), answer["ETag"])

    def replace(self, found: Found, text: str) -> bool:
        return self._held_good(self.client.put_object, Body=text.encode(), IfMatch=found.version)

    def delete(self, found: Found) -> bool:
        return self._held_good(self.client.delete_object, IfMatch=found.version)

    def _held_good(self, request: Callable[..., Any], **condition: Any) -> bool:
        """Whether the condition of a request held, and so it was done."""
        with explained(self):
            try:
                request(Bucket=self.bucket, Key=self.key, **condition)
            except ClientError as error:
                if error.response["Error"]["Code"] in OTHERWISE:
                    return False
                raise
        return True


@dataclass(frozen=True)
class Bucket:
    """A bucket, or a folder in one."""

    client: Any
    bucket: str
    folder: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.folder}"

    def at(self, name: str) -> ObjectPlace:
        return ObjectPlace(self.client, self.bucket, self._key(name))

    def below(self, folder: str) -> dict[str, ObjectPlace]:
        prefix = f"{self._key(folder)}/"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        with explained(self):
            keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        return {key.removeprefix(prefix): ObjectPlace(self.client, self.bucket, key) for key in keys}

    def _key(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


@contextmanager
def explained(what: object) -> Iterator[None]:
    """Tell in a sentence what S3 refuses, or that it does not answer."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise TxmonError(
            f"{what} is out of reach: {error}; check PULUMI_BACKEND_URL and the AWS credentials"
        ) from None


def bucket_of(backend: SplitResult) -> Bucket:
    """Where the state lies in `backend`, as in `s3://bucket/folder?region=…`.

    Raises:
        TxmonError: the URL names a profile that does not exist, or an endpoint that cannot be.
    """
    try:
        client = _client({key: values[0] for key, values in parse_qs(backend.query).items()})
    except (BotoCoreError, ValueError) as error:
        raise TxmonError(f"the state backend {backend.geturl()} cannot be used: {error}") from None
    return Bucket(client, backend.netloc, backend.path.strip("/"))


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
