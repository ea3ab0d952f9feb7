"""The engine's messages as sentences."""

import pytest

from tools.orchestrator.engine import errors

LOCKED = """error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or \
delete the lock file with `pulumi cancel`.
  file:///s/.pulumi/locks/organization/p/local/1.json: created by aiko@build-7 (pid 4711) at 2026-01-02T03:04:05Z"""

CRASH = "fatal error: failed to reserve page summary memory\nruntime stack:\nruntime.throw({0x475499a?, 0x200?})"

KMS = "error: could not create secrets manager for new stack: secrets (code=Unknown): operation error KMS: "


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (LOCKED, "data is locked by aiko@build-7 (process 4711, since 2026-01-02T03:04:05Z); wait for it to end"),
        (
            "error: getting stack configuration: get stack secrets manager: incorrect passphrase",
            "the passphrase of dev",
        ),
        (
            "error: getting stack configuration: get stack secrets manager: malformed state value",
            "encryptionsalt in projects/data/Pulumi.dev.yaml is damaged: restore it",
        ),
        ("error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or", "data needs the passphrase of dev"),
        (
            f"{KMS}Decrypt, https response error StatusCode: 400, RequestID: 6-e, NotFoundException: no x",
            "(NotFoundE",
        ),
        (f"{KMS}Encrypt, get identity: get credentials: no EC2 IMDS role found", "(no EC2 IMDS role found): check"),
        (CRASH, "the engine has too little memory for data: end what else needs memory, or raise the limit"),
        ("error: PULUMI_ACCESS_TOKEN must be set for login", "there is no state backend for dev"),
        ("error: no stack named 'dev' found", "./inv deploy-all --env dev"),
        ('error: unknown stack "organization/txmon-network/dev"', "./inv deploy-all --env dev"),
        (
            "Detected that /c/resource-aws-v7/pulumi-resource-aws exited prematurely. This is *always* a bug in the",
            "the AWS provider ended in the middle of data (was the local cloud stopped, or memory short?); run the",
        ),
        ("error: no resource plugin 'pulumi-resource-aws' found in", "pulumi plugin install resource aws"),
        ("error: error listing stacks: could not list bucket: S3: ListObjectsV2, NoSuchBucket", "does not exist"),
        ('error: read ".pulumi/meta.yaml": blob (code=Unknown)', "PULUMI_BACKEND_URL"),
    ],
)
def test_a_known_message_becomes_a_sentence_that_names_the_remedy(message: str, sentence: str) -> None:
    assert sentence in errors.explain(message, "data", "dev")


def test_an_error_of_a_kms_resource_is_not_taken_for_one_of_the_state() -> None:
    message = "creating KMS Key: operation error KMS: CreateKey, RequestID: 6, LimitExceededException: too many"
    assert errors.explain(f"error: {message}", "security", "dev") == message


def test_an_unknown_message_becomes_one_line() -> None:
    assert errors.explain("error: something\n  quite new\n", "data", "dev") == "something quite new"


def test_an_incomplete_resource_is_explained_by_its_reason_alone() -> None:
    message = "database: 1 error occurred:\n\t* it did not become available\n\n"
    assert errors.explain(message, "data", "dev") == "database: it did not become available"


def test_a_failed_provider_function_is_explained_by_its_reason_alone() -> None:
    message = (
        "Program failed:\nTraceback (most recent call last):\n  File x\n"
        "Exception: invoke of aws:a:b failed: invocation of aws:a:b returned an error: no secret 'x'"
    )
    assert errors.explain(message, "data", "dev") == "the program failed: no secret 'x'"


@pytest.mark.parametrize(
    ("exception", "last"),
    [
        ("ValueError: a\nb", "ValueError: a b"),
        ("    def (\n        ^\nSyntaxError: invalid syntax", "SyntaxError: invalid syntax"),
    ],
)
def test_a_traceback_becomes_its_exception_and_the_repositorys_last_line(exception: str, last: str) -> None:
    message = (
        'error: Program failed:\nTraceback (most recent call last):\n  File "/usr/lib/runpy.py", line 1, in run\n'
        '    run()\n  File "/repository/projects/data/cache.py", line 7, in make\n'
        '  File "/repository/.venv/lib/site-packages/pulumi/resource.py", line 9, in take\n'
        f"{exception}\n"
    )
    assert errors.explain(message, "data", "dev") == f"the program failed at projects/data/cache.py:7: {last}"


def test_a_message_that_only_repeats_a_failure_is_noise() -> None:
    assert errors.is_noise("error: update failed")
    assert errors.is_noise("failed to run policy: context canceled")
    assert errors.is_noise("Resource monitor has terminated, shutting down")
    assert not errors.is_noise("failed to run policy: no such rule")
    assert not errors.is_noise("error: no room")


def test_an_engine_that_ends_without_a_message_names_the_next_step() -> None:
    assert errors.without_reason(1, "pulumi up").endswith("to see what it prints, run it by hand: pulumi up")
    assert errors.without_reason(-9, "pulumi up").startswith("the engine was ended by SIGKILL (was memory short")
