"""The engine's errors, and the operating system's, as one sentence each that names the remedy if one is known."""

import re
import signal

LOCKED = re.compile(r"created by (?P<owner>\S+) \(pid (?P<pid>\d+)\) at (?P<when>\S+)")

SENTENCES: dict[str, str] = {
    r"the stack is currently locked by": (
        "{layer} is locked by {lock}; wait for it to end, or if that process is gone: "
        "./inv unlock {layer} --env {env}"
    ),
    r"incorrect passphrase": (
        "the passphrase of {env} is wrong: set PULUMI_CONFIG_PASSPHRASE (or PULUMI_CONFIG_PASSPHRASE_FILE) "
        "to the one that {layer}'s stack was created with"
    ),
    r"secrets manager: malformed state value": (
        "encryptionsalt in projects/{layer}/Pulumi.{env}.yaml is damaged: restore it (git diff shows it)"
    ),
    r"passphrase must be set": (
        "{layer} needs the passphrase of {env}: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"
    ),
    r"secrets \(code=\w+\): operation error KMS: \w+, (.*RequestID: \S+, |.*get credentials: )?(?P<reason>.*)": (
        "AWS does not let {layer} use the key that encrypts the secrets of {env} ({reason}): check the AWS "
        "credentials, and the secrets provider in REAL in shared/environments.py"
    ),
    r"PULUMI_ACCESS_TOKEN must be set": (
        "there is no state backend for {env}: log in to it (pulumi login s3://… or pulumi login) "
        "or set PULUMI_BACKEND_URL"
    ),
    r"no stack named '|unknown stack \"": (
        "{layer} is, or reads, a stack that does not exist in {env}: ./inv deploy-all --env {env} creates it"
    ),
    r"pulumi-resource-aws\S* exited prematurely": (
        "the AWS provider ended in the middle of {layer} (was the local cloud stopped, or memory short?); "
        "run the command again, which goes on from there"
    ),
    r"no resource plugin 'pulumi-resource-aws": (
        "Pulumi's AWS plugin is not installed: pulumi plugin install resource aws"
    ),
    r"^fatal error: .*(memory|thread)|cannot allocate memory|pthread_create failed": (
        "the engine has too little memory for {layer}: end what else needs memory, or raise the limit that ulimit -v "
        "shows, and run the command again"
    ),
    r"NoSuchBucket": "the bucket for the state of {env} does not exist: create it, or check PULUMI_BACKEND_URL",
    r"read \"\.pulumi/meta\.yaml\"|(could not|unable to) open bucket": (
        "the state backend of {env} does not answer: check PULUMI_BACKEND_URL and the AWS credentials"
    ),
}
"""A regular expression for the engine's message -> the sentence that a person reads instead."""

INVOCATION = re.compile(r"invoke of \S+ failed: invocation of (?P<function>\S+) returned an error: ")
"""The engine's words around the answer of a provider's function."""

PARTIAL = re.compile(r"\d+ errors? occurred:\s+\* ")
"""The engine's words before the reason why a created resource is not complete."""

TRACEBACK = "Traceback (most recent call last):"
FRAME = re.compile(r'File "(?:[^"]*/)?(?P<path>(?:projects|shared)/[^"]+)", line (?P<line>\d+)')
"""A line of a traceback in a layer or in what layers share."""

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
"""Messages that only repeat that something else has failed."""


def explain(message: str, layer: str, env: str) -> str:
    """Return the sentence for an engine's message; the message as one line if no sentence is known."""
    for pattern, sentence in SENTENCES.items():
        if found := re.search(pattern, message):
            return sentence.format(layer=layer, env=env, lock=_lock(message), **found.groupdict())
    return trimmed(message)


def without_reason(code: int, command: str) -> str:
    """Return the sentence for an engine that ended with an exit code, or by a signal, and without a message."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"the engine was ended by {name} (was memory short, or did someone kill it?): run it again"
    return f"the engine failed with code {code} and no message; to see what it prints, run it by hand: {command}"


def is_noise(message: str) -> bool:
    """Return whether a message only repeats that something else has failed."""
    return message.strip().removeprefix("error: ").startswith(NOISE)


def is_crash(message: str) -> bool:
    """Return whether a message begins the report of a crash of the engine: a sentence, then pages of its insides."""
    return message.startswith(("fatal error: ", "panic: ", "runtime: "))


def trimmed(message: str) -> str:
    """Return a message as one line; of a traceback keep the exception and the last frame in the repository."""
    text = message.strip().removeprefix("error: ")
    if TRACEBACK in text:
        text = _exception(text)
    if is_crash(text):
        text = text.partition("\n")[0]
    return " ".join(PARTIAL.sub("", INVOCATION.sub("", text)).split())


def _exception(text: str) -> str:
    _, _, traceback = text.rpartition(TRACEBACK)
    *_, exception = re.split(r"^ .*\n", traceback, flags=re.MULTILINE)
    ours = [frame for frame in FRAME.finditer(traceback) if "site-packages" not in frame[0]]
    where = f" at {ours[-1]['path']}:{ours[-1]['line']}" if ours else ""
    return f"the program failed{where}: {exception.strip().removeprefix('Exception: ')}"


def _lock(message: str) -> str:
    found = LOCKED.search(message)
    return f"{found['owner']} (process {found['pid']}, since {found['when']})" if found else "another run"
