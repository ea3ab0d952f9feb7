"""The engine's errors, and the state of a layer's stack, as one sentence each that names what mends them."""

import re

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
    r"no resource plugin 'pulumi-resource-aws": (
        "Pulumi's AWS plugin is not installed: pulumi plugin install resource aws"
    ),
    r"read \"\.pulumi/meta\.yaml\"|(could not|unable to) open bucket": (
        "the state backend of {env} does not answer: check PULUMI_BACKEND_URL and the AWS credentials"
    ),
}
"""What the engine says, as a regular expression, and what a person is told instead."""

INVOCATION = re.compile(r"invoke of \S+ failed: invocation of (?P<function>\S+) returned an error: ")
"""The engine's own words around what a function of the provider answers."""

NOISE = (
    "an unhandled error occurred: program exited",
    "update failed",
    "preview failed",
    "resource failed to initialize",
    "resource creation failed",
    "update canceled",
    "destroy failed",
)
"""Lines that only repeat that something else has failed."""


def explain(message: str, layer: str, env: str) -> str:
    """The sentence for an engine message; the message itself, trimmed to what matters, where there is none."""
    for pattern, sentence in SENTENCES.items():
        if re.search(pattern, message):
            return sentence.format(layer=layer, env=env, lock=_lock(message))
    return trimmed(message)


def is_noise(message: str) -> bool:
    return message.strip().removeprefix("error: ").startswith(NOISE)


def trimmed(message: str) -> str:
    """One line; of a program's traceback only its last line, which names the exception."""
    text = message.strip().removeprefix("error: ")
    if "Traceback (most recent call last)" in text:
        *_, last = [line.strip() for line in text.splitlines() if line.strip()]
        text = f"the program failed: {last.removeprefix('Exception: ')}"
    return " ".join(INVOCATION.sub("", text).split())


def _lock(message: str) -> str:
    found = LOCKED.search(message)
    return f"{found['owner']} (process {found['pid']}, since {found['when']})" if found else "another run"
