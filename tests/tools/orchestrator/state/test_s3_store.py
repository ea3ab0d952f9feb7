"""A bucket is reached as its URL says: a signed link shows where a request goes, and with whose credentials."""

from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.backend import open_store
from tools.orchestrator.state.locks import EnvironmentLock
from tools.orchestrator.state.s3_store import S3Store

PROFILES = "[profile team]\naws_access_key_id = TEAM\naws_secret_access_key = secret\n"
URL = "s3://states?region=eu-west-1"
KEY = ".shop/locks/dev.json"


@pytest.fixture(autouse=True)
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text(PROFILES)
    open_store.cache_clear()  # a store keeps the credentials that it was opened with


def bucket(url: str = URL) -> S3Store:
    store = open_store(url)
    assert isinstance(store, S3Store)
    return store


def link(store: S3Store, url: str) -> str:
    """Return a signed link to the object that `url` names."""
    _, _, name, key = url.split("/", 3)
    signed: str = store.client.generate_presigned_url("get_object", Params={"Bucket": name, "Key": key})
    return signed


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("s3://states?region=eu-west-1", f"https://states.s3.eu-west-1.amazonaws.com/{KEY}"),
        ("s3://states/a/b/?region=eu-west-1", f"https://states.s3.eu-west-1.amazonaws.com/a/b/{KEY}"),
        ("s3://states?endpoint=http://minio:9000&s3ForcePathStyle=true", f"http://minio:9000/states/{KEY}"),
        ("s3://states?endpoint=https://minio:9000&use_path_style=true", f"https://minio:9000/states/{KEY}"),
        ("s3://states?endpoint=https://minio:9000&disableSSL=true", f"https://states.minio:9000/{KEY}"),
        ("s3://states?endpoint=minio:9000&s3ForcePathStyle=true", f"https://minio:9000/states/{KEY}"),
        ("s3://states?endpoint=minio:9000&disableSSL=true&s3ForcePathStyle=1", f"http://minio:9000/states/{KEY}"),
    ],
)
def test_the_lock_is_where_the_engine_keeps_the_state(url: str, start: str, tmp_path: Path) -> None:
    workspace = make_workspace(make_monorepo(tmp_path), PULUMI_BACKEND_URL=url)
    lock = EnvironmentLock(workspace)
    assert isinstance(lock.store, S3Store)
    assert link(lock.store, lock.store.url(lock.key)).startswith(start)


def test_region_and_credentials_come_from_the_url_or_the_environment() -> None:
    store = bucket("s3://states?region=eu-south-2&profile=team&endpoint=http://minio")
    assert "Credential=TEAM" in link(store, store.url(KEY))
    assert bucket("s3://states?region=eu-south-2").client.meta.region_name == "eu-south-2"
    assert "ENVIRONMENT" in link(bucket("s3://states?region=eu-south-2"), f"s3://states/{KEY}")


@pytest.mark.parametrize("query", ["profile=nobody", "endpoint=http://"])
def test_a_url_that_cannot_be_used_is_named_with_the_reason(query: str) -> None:
    with pytest.raises(OrchestratorError, match=rf"the state backend s3://states\?{query} cannot be used: "):
        bucket(f"s3://states?{query}")


@pytest.mark.parametrize(("code", "status"), [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409)])
def test_an_object_that_exists_or_is_being_written_is_not_created(code: str, status: int) -> None:
    """A stub answers: the emulator handles one request at a time and so knows no conflict."""
    store = bucket()
    with Stubber(store.client) as stub:
        stub.add_client_error("put_object", code, http_status_code=status)
        assert not store.put_if_absent(KEY, "mine")


def test_a_run_holds_a_lock_that_it_wrote_though_the_answer_was_lost(tmp_path: Path) -> None:
    """The AWS SDK asks again, and S3 refuses: the object exists."""
    workspace = make_workspace(make_monorepo(tmp_path), PULUMI_BACKEND_URL=URL)
    store, written = bucket(), {}

    class Body:
        def read(self) -> bytes:
            return written["text"]

    def remember(params: dict[str, Any], **_: Any) -> None:
        written["text"] = params["Body"]

    store.client.meta.events.register("provide-client-params.s3.PutObject", remember)
    with Stubber(store.client) as stub:
        stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        for _ in ("to take it", "to free it"):
            stub.add_response("get_object", {"Body": Body(), "ETag": "v1"})
        stub.add_response("delete_object", {}, {"Bucket": "states", "Key": KEY, "IfMatch": "v1"})
        with EnvironmentLock(workspace).hold("up"):
            assert b'"verb":"up"' in written["text"]
        stub.assert_no_pending_responses()


def test_an_object_that_another_run_has_replaced_is_left_alone() -> None:
    store = bucket()
    expected = {"Bucket": "states", "Key": KEY, "IfMatch": "v1"}
    with Stubber(store.client) as stub:
        stub.add_client_error("put_object", "PreconditionFailed", expected_params=expected | {"Body": b"mine"})
        stub.add_client_error("delete_object", "PreconditionFailed", expected_params=expected)
        assert not store.put_if_match(KEY, "mine", "v1")
        assert not store.delete_if_match(KEY, "v1")


@pytest.mark.parametrize("method", ["put_object", "get_object", "delete_object", "list_objects_v2"])
def test_a_refusal_of_s3_becomes_a_sentence(method: str) -> None:
    store = bucket()
    calls = {
        "put_object": lambda: store.put_if_absent(KEY, "mine"),
        "get_object": lambda: store.get(KEY),
        "delete_object": lambda: store.delete_if_match(KEY, "v1"),
        "list_objects_v2": lambda: store.list("states"),
    }
    stub = Stubber(store.client)
    stub.add_client_error(method, "AccessDenied", "Access Denied", 403)
    message = r"^s3://states/\S* is out of reach: .*Access Denied; check PULUMI_B"
    with stub, pytest.raises(OrchestratorError, match=message):
        calls[method]()
