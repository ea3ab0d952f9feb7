"""The S3 bucket of a state is reached as its URL says: a signed link tells where a request goes, and as whom."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.stub import Stubber
from shared.errors import TxmonError

from tools.orchestrator.state import locks
from tools.orchestrator.state.folder_store import Found, store_of
from tools.orchestrator.state.s3_store import ObjectPlace

PROFILES = "[profile team]\naws_access_key_id = TEAM\naws_secret_access_key = secret\n"


@pytest.fixture(autouse=True)
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text(PROFILES)


def place(url: str) -> ObjectPlace:
    found = locks.place_of(SimpleNamespace(env="dev", store=store_of(url)))
    assert isinstance(found, ObjectPlace)
    return found


def link(url: str) -> str:
    found = place(url)
    signed: str = found.client.generate_presigned_url("get_object", Params={"Bucket": found.bucket, "Key": found.key})
    return signed


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("s3://states?region=eu-west-1", "https://states.s3.eu-west-1.amazonaws.com/.txmon/locks/dev.json"),
        ("s3://states/a/b/?region=eu-west-1", "https://states.s3.eu-west-1.amazonaws.com/a/b/.txmon/locks/dev.json"),
        ("s3://states?endpoint=http://minio:9000&s3ForcePathStyle=true", "http://minio:9000/states/.txmon/"),
        ("s3://states?endpoint=https://minio:9000&use_path_style=true", "https://minio:9000/states/.txmon/"),
        ("s3://states?endpoint=https://minio:9000&disableSSL=true", "https://states.minio:9000/.txmon/"),
        ("s3://states?endpoint=minio:9000&s3ForcePathStyle=true", "https://minio:9000/states/.txmon/"),
        ("s3://states?endpoint=minio:9000&disableSSL=true&s3ForcePathStyle=1", "http://minio:9000/states/.txmon/"),
    ],
)
def test_the_lock_lies_where_the_engine_keeps_the_state(url: str, start: str) -> None:
    assert link(url).startswith(start)


def test_region_and_credentials_are_those_of_the_url_and_else_of_the_environment() -> None:
    signed = link("s3://states?region=eu-south-2&profile=team&endpoint=http://minio")
    assert "Credential=TEAM" in signed
    assert place("s3://states?region=eu-south-2").client.meta.region_name == "eu-south-2"
    assert "ENVIRONMENT" in link("s3://states?region=eu-south-2")


@pytest.mark.parametrize("query", ["profile=nobody", "endpoint=http://"])
def test_a_url_that_cannot_be_used_is_named_with_the_reason(query: str) -> None:
    with pytest.raises(TxmonError, match=rf"the state backend s3://states\?{query} cannot be used: "):
        place(f"s3://states?{query}")


@pytest.mark.parametrize(("code", "status"), [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409)])
def test_a_lock_that_is_there_or_just_being_written_is_not_made_again(code: str, status: int) -> None:
    """Answered by a stub: the emulator handles one request after the other and so knows no conflict."""
    found = place("s3://states?region=eu-west-1")
    with Stubber(found.client) as stub:
        stub.add_client_error("put_object", code, http_status_code=status)
        assert not found.create("mine")


def test_a_run_whose_lock_was_written_though_the_answer_got_lost_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS SDK asks again, and S3 refuses: the object is there."""
    written: list[str] = []
    monkeypatch.setattr(ObjectPlace, "create", lambda _, text: bool(written.append(text)))
    monkeypatch.setattr(ObjectPlace, "read", lambda _: Found(written[0]))
    monkeypatch.setattr(ObjectPlace, "delete", lambda *_: True)
    with locks.environment_lock(SimpleNamespace(env="dev", store=store_of("s3://states?region=eu-west-1")), "up"):
        assert written


def test_a_lock_that_has_become_another_runs_is_neither_replaced_nor_deleted() -> None:
    found = place("s3://states?region=eu-west-1")
    was = {"Bucket": "states", "Key": ".txmon/locks/dev.json", "IfMatch": "v1"}
    with Stubber(found.client) as stub:
        stub.add_client_error("put_object", "PreconditionFailed", expected_params=was | {"Body": b"mine"})
        stub.add_client_error("delete_object", "PreconditionFailed", expected_params=was)
        assert not found.replace(Found("theirs", "v1"), "mine")
        assert not found.delete(Found("theirs", "v1"))


@pytest.mark.parametrize("method", ["put_object", "get_object", "delete_object", "list_objects_v2"])
def test_what_s3_refuses_is_told_in_a_sentence(method: str) -> None:
    url = "s3://states?region=eu-west-1"
    found, bucket = place(url), store_of(url)
    call = {
        "put_object": lambda: found.create("mine"),
        "get_object": found.read,
        "delete_object": lambda: found.delete(Found("theirs")),
        "list_objects_v2": lambda: bucket.below("states"),
    }
    stub = Stubber((bucket if method == "list_objects_v2" else found).client)
    stub.add_client_error(method, "AccessDenied", "Access Denied", 403)
    with stub, pytest.raises(TxmonError, match=r"^s3://states/\S* is out of reach: .*Access Denied; check PULUMI_B"):
        call[method]()
