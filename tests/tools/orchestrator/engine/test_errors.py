import pytest

from shared.environments import PROJECTS
from tools.orchestrator.engine import errors

LOCKED = """error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or \
delete the lock file with `pulumi cancel`.
  file:///s/.pulumi/locks/organization/p/local/1.json: created by aiko@build-7 (pid 4711) at 2026-01-02T03:04:05Z"""


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
def test_the_engines_message_becomes_a_sentence_that_says_what_mends_it(message: str, sentence: str) -> None:
    assert sentence in errors.explain(message, "data", "dev")


def test_any_other_message_stays_as_it_is_in_one_line() -> None:
    assert errors.explain("error: something\n  quite new\n", "data", "dev") == "something quite new"


def test_what_is_wrong_with_a_half_made_resource_is_told_without_the_engines_words_around_it() -> None:
    message = "database: 1 error occurred:\n\t* it did not become available\n\n"
    assert errors.explain(message, "data", "dev") == "database: it did not become available"


def test_what_a_function_of_the_provider_answers_is_told_without_the_engines_words_around_it() -> None:
    message = (
        "Program failed:\nTraceback (most recent call last):\n  File x\n"
        "Exception: invoke of aws:a:b failed: invocation of aws:a:b returned an error: no secret 'x'"
    )
    assert errors.explain(message, "data", "dev") == "the program failed: no secret 'x'"


@pytest.mark.parametrize(
    ("exception", "told"),
    [
        ("ValueError: a\nb", "ValueError: a b"),
        ("    def (\n        ^\nSyntaxError: invalid syntax", "SyntaxError: invalid syntax"),
    ],
)
def test_of_a_traceback_the_exception_and_the_line_of_this_repository_are_told(exception: str, told: str) -> None:
    ours, theirs = PROJECTS / "data/cache.py", PROJECTS.parent / ".venv/lib/site-packages/pulumi/resource.py"
    message = (
        f'error: Program failed:\nTraceback (most recent call last):\n  File "/usr/lib/runpy.py", line 1, in run\n'
        f'    run()\n  File "{ours}", line 7, in make\n  File "{theirs}", line 9, in take\n{exception}\n'
    )
    assert errors.explain(message, "data", "dev") == f"the program failed at projects/data/cache.py:7: {told}"


def test_lines_that_only_repeat_a_failure_are_noise() -> None:
    assert errors.is_noise("error: update failed")
    assert errors.is_noise("failed to run policy: context canceled")
    assert errors.is_noise("Resource monitor has terminated, shutting down")
    assert not errors.is_noise("failed to run policy: no such rule")
    assert not errors.is_noise("error: no room")
