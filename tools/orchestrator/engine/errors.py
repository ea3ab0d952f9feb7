"""The engine's errors, and the system's, as one sentence each; where it can, one that names what mends them."""

import re

from shared.environments import PROJECTS

LOCKED = re.compile(r"created by (?P<owner>\S+) \(pid (?P<pid>\d+)\) at (?P<when>\S+)")

SENTENCES: dict[str, str] = {
    r"the stack is currently locked by": (
        "{layer} is locked by {lock}; wait for it to end, or if that process is gone: "
        "./inv unlock {layer} --env {env}"
    ),
    r"incorrect passphrase": (
        "the passphrase of {env} is wrong: set PULUMI_CONFIG_PASSPHRASE (or PULUMI_CONFIG_PASSPHRASE_FILE) "
        "to the one that {layer}'s stack was made with"
    ),
    r"secrets manager: malformed state value": (
        "encryptionsalt in projects/{layer}/Pulumi.{env}.yaml is damaged: restore it (git diff shows it)"
    ),
    r"passphrase must be set": (
        "{layer} needs the passphrase of {env}: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"
    ),
    r"PULUMI_ACCESS_TOKEN must be set": (
        "there is no state backend for {env}: log in to it (pulumi login s3://… or pulumi login) "
        "or set PULUMI_BACKEND_URL"
    ),
    r"no stack named '|unknown stack \"": (
        "{layer} is, or reads, a stack that does not exist in {env}: ./inv deploy-all --env {env} makes it"
    ),
    r"pulumi-resource-aws\S* exited prematurely": (
        "the AWS provider ended in the middle of {layer} (was the local cloud stopped, or memory short?); "
        "run the command again, which goes on from there"
    ),
    r"no resource plugin 'pulumi-resource-aws": (
        "Pulumi's AWS plugin is not installed: pulumi plugin install resource aws"
    ),
    r"NoSuchBucket": "the bucket for the state of {env} does not exist: make it, or check PULUMI_BACKEND_URL",
    r"read \"\.pulumi/meta\.yaml\"|(could not|unable to) open bucket": (
        "the state backend of {env} does not answer: check PULUMI_BACKEND_URL and the AWS credentials"
    ),
}
"""What the engine says, as a regular expression, and what a person is told instead."""

INVOCATION = re.compile(r"invoke of \S+ failed: invocation of (?P<function>\S+) returned an error: ")
"""The engine's own words around what a function of the provider answers."""

PARTIAL = re.compile(r"\d+ errors? occurred:\s+\* ")
"""The engine's own words before what keeps a resource that was made from being as it was wanted."""

TRACEBACK = "Traceback (most recent call last):"
FRAME = re.compile(rf'File "{re.escape(str(PROJECTS.parent))}/(?P<path>[^"]+)", line (?P<line>\d+)')
"""A line of a traceback that lies below this repository, where a virtualenv may lie too."""

NOISE = (
    "an unhandled error occurred: program exited",
    "update failed",
    "preview failed",
    "resource failed to initialize",
    "resource creation failed",
    "update canceled",
    "update cancelled",
    "destroy failed",
    "Resource monitor has terminated, shutting down",
    "failed to run policy: context canceled",
    "failed to run remediation: context canceled",
)
"""Lines that only repeat that something else has failed."""


def explain(message: str, layer: str, env: str) -> str:
    """The sentence for an engine message; the message itself, trimmed to what matters, where there is none."""
    for pattern, sentence in SENTENCES.items():
        if re.search(pattern, message):
            return sentence.format(layer=layer, env=env, lock=_lock(message))
    return trimmed(message)


def of_system(error: OSError) -> str:
    """What this machine refuses, and of which file, as in `report.md: Permission denied`."""
    return f"{error.filename or 'failed'}: {error.strerror or error}"


def is_noise(message: str) -> bool:
    return message.strip().removeprefix("error: ").startswith(NOISE)


def trimmed(message: str) -> str:
    """One line; of a program's traceback only the exception, and the line of this repository that met it."""
    text = message.strip().removeprefix("error: ")
    if TRACEBACK in text:
        text = _exception(text)
    return " ".join(PARTIAL.sub("", INVOCATION.sub("", text)).split())


def _exception(text: str) -> str:
    _, _, traceback = text.rpartition(TRACEBACK)
    *_, exception = re.split(r"^ .*\n", traceback, flags=re.MULTILINE)
    ours = [frame for frame in FRAME.finditer(traceback) if "site-packages" not in frame["path"]]
    where = f" at {ours[-1]['path']}:{ours[-1]['line']}" if ours else ""
    return f"the program failed{where}: {exception.strip().removeprefix('Exception: ')}"


def _lock(message: str) -> str:
    found = LOCKED.search(message)
    return f"{found['owner']} (process {found['pid']}, since {found['when']})" if found else "another run"
