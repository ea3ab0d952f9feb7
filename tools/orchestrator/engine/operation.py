"""One command of the engine on one layer, followed through the events it streams (`pulumi … --json`)."""

import json
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from shared.resource_types import STATEFUL
from tools.orchestrator.engine import errors, policy_host, program_host
from tools.orchestrator.engine.workspace import Workspace

STACK = "pulumi:pulumi:Stack"
STACK_REFERENCE = "pulumi:pulumi:StackReference"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands in the engine's events for a value that is not known yet (`pulumi.runtime.rpc.UNKNOWN`, whose import
would cost every verb half a second; a test compares the two)."""
CANCELED = re.compile(r"(error: )?\w+ cancell?ed")
"""What the engine says when it was asked to end; of a resource it may say so too, when another one has failed."""
FOLLOW_SECONDS = 0.05
"""How long a line may stay unread: short for a person, long for a processor."""
CHANGES = ("create", "update", "replace", "delete", "import")
"""The steps that change something; all others leave AWS as it is, as `discard` does, or are parts of a `replace`."""
HELD = ("same", "create", "update", "replace", "import")
"""The steps after which the layer has the resource; of what it reads, the engine counts what tells something else."""


class Action(StrEnum):
    """What is done to a layer, with the arguments that the engine takes for it."""

    UP = "up"
    PREVIEW = "preview"
    DESTROY = "destroy"
    REFRESH_UP = "refresh-up"
    """Take into the state what AWS says, then update: what drifted is put back."""
    DRIFT = "drift"
    """Compare the state with AWS and leave both as they are."""

    @property
    def arguments(self) -> tuple[str, ...]:
        return {
            Action.UP: ("up", "--yes", "--skip-preview", "--policy-pack", policy_host.FROM_LAYER),
            Action.PREVIEW: ("preview", "--policy-pack", policy_host.FROM_LAYER),
            Action.DESTROY: ("destroy", "--yes", "--skip-preview"),
            Action.REFRESH_UP: (
                "up",
                "--refresh",
                "--yes",
                "--skip-preview",
                "--policy-pack",
                policy_host.FROM_LAYER,
            ),
            Action.DRIFT: ("refresh", "--preview-only"),
        }[self]

    @property
    def is_preview(self) -> bool:
        return self in {Action.PREVIEW, Action.DRIFT}

    @property
    def is_judged(self) -> bool:
        """Whether the layer's program runs, and the policy pack looks at what it asks for."""
        return self in {Action.UP, Action.REFRESH_UP, Action.PREVIEW}


class Status(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Step:
    """One step of the engine on one resource."""

    op: str
    type: str
    name: str
    keys: tuple[str, ...] = ()
    """The inputs that differ, or that force the replacement."""
    protected: bool = False

    @property
    def loses(self) -> bool:
        """Whether what the resource holds is lost; shown first, and never done unless the approved plan has it."""
        return self.op in {"replace", "delete"}

    @property
    def loses_state(self) -> bool:
        return self.loses and self.type in STATEFUL

    @property
    def label(self) -> str:
        return f"{self.type} {self.name}"


@dataclass(frozen=True)
class Resource:
    """A resource as it stands in the state, or as a preview plans it."""

    type: str
    name: str
    inputs: dict[str, Any]


@dataclass
class Operation:
    """An action on a layer: what is known of it while it runs, and its result."""

    layer: str
    action: Action
    status: Status = Status.WAITING
    reason: str = ""
    """Why it failed or was skipped, as a sentence."""
    command: str = ""
    """The command as a person would repeat it."""
    current: str = ""
    done: int = 0
    steps: list[Step] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    outputs: dict[str, Any] = field(default_factory=dict)
    """The stack's outputs after it; of a preview, the planned ones."""
    old_outputs: dict[str, Any] = field(default_factory=dict)
    """The stack's outputs before it."""
    differing: list[dict[str, Any]] = field(default_factory=list)
    """Of a search for drift: the engine's words on each resource that AWS tells otherwise than the state; without
    stack references, which every refresh reads anew."""
    planned: dict[str, Resource] = field(default_factory=dict)
    """Of a preview: every resource after the deploy, by URN."""
    present: dict[str, Resource] = field(default_factory=dict)
    """Of a preview: every resource before it, by URN."""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    interrupted: bool = False
    """Whether it was asked to end."""
    emptied: bool = False
    """Of a destroy: whether the stack itself is gone, which goes last."""
    heard_out: bool = False
    """Whether the engine's last word was read; a full disk keeps only what it said first."""
    made: bool = False
    """Whether it has made or changed something in AWS."""

    @property
    def seconds(self) -> float:
        """Wall time so far, or in all."""
        return (self.ended or time.monotonic()) - self.began if self.began else 0.0

    @property
    def began_at(self) -> datetime | None:
        """When it began, by the clock on the wall."""
        return datetime.now(UTC) - timedelta(seconds=time.monotonic() - self.began) if self.began else None

    @property
    def holds(self) -> int | None:
        """How many resources the layer has after it; None unless it went to its end, and so to every one."""
        return sum(self.counts[op] for op in HELD) if self.status is Status.SUCCEEDED else None

    @property
    def unheard(self) -> int | None:
        """The engine's process, if the interruption came before it listened and so ended it there and then."""
        process = self.process
        return process.pid if process and process.returncode == -signal.SIGINT else None

    @property
    def changed(self) -> dict[str, int]:
        """How many resources each kind of change touches."""
        if self.action is Action.DRIFT:
            return {"differing": len(self.differing)} if self.differing else {}
        return {op: self.counts[op] for op in CHANGES if self.counts[op]}

    def make_stack(self, workspace: Workspace, tell: Callable[[str], None]) -> None:
        """Make the layer's empty stack, as the first part of the operation.

        Raises:
            TxmonError: the engine does not make it.
        """
        self._begin(workspace.shown(self.layer, *workspace.making), tell)
        workspace.make_stack(self.layer)

    def run(
        self,
        workspace: Workspace,
        message: str,
        events: Path,
        tell: Callable[[str], None],
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Run to the end. A failure is a status and a reason. `tell` hears of each finished step.

        The layer's program sees the `variables` beside the engine's own.

        The engine writes its events to the file `events` and not to a pipe: if this process is killed, the engine
        goes on, ends its update and frees its lock.
        """
        arguments = list(self.action.arguments)
        if not self.action.is_preview:
            arguments += ["--message", message]
        self._begin(workspace.shown(self.layer, *self.action.arguments), tell)
        program = workspace.having(**variables)
        with (
            program_host.serving(workspace.folder(self.layer), program.process_environment()) as runtime,
            events.open("wb") as written,
            events.open("rb") as printed,
        ):
            judged = policy_host.with_pack(workspace) if self.action.is_judged else workspace
            with subprocess.Popen(  # which is waited for, whatever breaks here
                judged.command(self.layer, *arguments, "--json", "--client", runtime.address),
                env=judged.process_environment() | {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                pass_fds=(*judged.held, runtime.held),
                start_new_session=True,  # Ctrl-C reaches the runner, which passes it on once
            ) as self.process:
                if self.interrupted:  # before there was an engine to ask
                    self.interrupt()
                self._follow(self.process, printed, tell)
        self.ended = time.monotonic()
        self._finish(self.process.returncode, workspace)

    def _begin(self, command: str, tell: Callable[[str], None]) -> None:
        """Begin a command; the operation began with its first one."""
        self.command, self.status = command, Status.RUNNING
        self.began = self.began or time.monotonic()
        tell(command)

    def end(self, status: Status, reason: str) -> None:
        """Go no further."""
        self.status, self.reason, self.ended = status, reason, time.monotonic()

    def _follow(self, process: subprocess.Popen[bytes], printed: BinaryIO, tell: Callable[[str], None]) -> None:
        """Take each line as it is written, until the engine has ended; half of one may end in half a character."""
        part = b""
        while True:
            ended = process.poll() is not None
            for text in printed:
                part += text
                if part.endswith(b"\n"):
                    self._line(part.decode(errors="replace"), tell)
                    part = b""
            if ended:
                return
            with suppress(subprocess.TimeoutExpired):
                process.wait(FOLLOW_SECONDS)

    def interrupt(self) -> None:
        """Ask the engine to end cleanly, as soon as there is one; asked a second time, it stops at once."""
        self.interrupted = True
        if self.process and self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)

    def _line(self, line: str, tell: Callable[[str], None]) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "sequence" not in event:
            self._printed(line)
            return
        if "resourcePreEvent" in event:
            self._begun(event["resourcePreEvent"]["metadata"], tell)
        elif "resOutputsEvent" in event:
            self._done(event["resOutputsEvent"]["metadata"], tell)
        elif "diagnosticEvent" in event:
            self._said(event["diagnosticEvent"], tell)
        elif "policyEvent" in event:
            self._judged(event["policyEvent"], tell)
        elif "summaryEvent" in event:
            self.heard_out = True
            self.counts.update(event["summaryEvent"].get("resourceChanges") or {})

    def _printed(self, line: str) -> None:
        """Take a line that is no event: the engine's own error; an indented one goes on with the last."""
        if line.startswith(" ") and self.errors:
            self.errors[-1] += f"\n{line.rstrip()}"
        elif line.strip() and not line.startswith((" ", "{", "}")):
            self.errors.append(line.strip())

    def _begun(self, metadata: dict[str, Any], tell: Callable[[str], None]) -> None:
        step = _step(metadata)
        self.current = step.label
        if self.action is Action.PREVIEW:
            self._note(metadata, step)
        if step.op not in CHANGES or step.type == STACK:
            return
        self.steps.append(step)
        if self.action.is_preview:
            tell(f"{step.op} {step.label}{_because(step)}")

    def _note(self, metadata: dict[str, Any], step: Step) -> None:
        for resources, state in ((self.present, metadata.get("old")), (self.planned, metadata.get("new"))):
            if state:
                resources[metadata["urn"]] = Resource(step.type, step.name, state.get("inputs") or {})

    def _done(self, metadata: dict[str, Any], tell: Callable[[str], None]) -> None:
        self.done += 1
        if metadata["type"] == STACK:
            self.outputs = (metadata.get("new") or {}).get("outputs") or self.outputs
            self.old_outputs = (metadata.get("old") or {}).get("outputs") or self.old_outputs
            self.emptied = metadata["op"] == "delete"
        elif self.action is Action.DRIFT and metadata["op"] != "same" and metadata["type"] != STACK_REFERENCE:
            self.differing.append(metadata)
        elif metadata["op"] in _PAST and not self.action.is_preview:
            self.made = self.made or _is_there(metadata)
            tell(f"{_PAST[metadata['op']]} {_step(metadata).label}")

    def _said(self, diagnostic: dict[str, Any], tell: Callable[[str], None]) -> None:
        message = diagnostic.get("message", "").strip()
        if not message or errors.is_noise(message):
            return
        subject = diagnostic.get("urn", "").rsplit("::", 1)[-1]
        text = f"{subject}: {message}" if subject and STACK not in diagnostic.get("urn", "") else message
        if diagnostic.get("severity") == "error":
            self.errors.append(text)
        elif diagnostic.get("severity") == "warning":
            self.warnings.append(errors.trimmed(text))
            tell(f"warning: {errors.trimmed(text)}")
        elif diagnostic.get("severity") == "info":
            tell(text)

    def _judged(self, event: dict[str, Any], tell: Callable[[str], None]) -> None:
        mandatory = event["enforcementLevel"] == policy_host.MANDATORY
        text = policy_host.sentence(event)
        (self.errors if mandatory else self.warnings).append(text)
        tell(f"{'error' if mandatory else 'warning'}: {text}")

    def _finish(self, code: int, workspace: Workspace) -> None:
        self.current = ""
        if self._was_cut_short(code):
            self.status = Status.INTERRUPTED
            self.reason = (
                "nothing was changed" if self.action.is_preview else "what was done is kept; run it again to go on"
            )
        elif code == 0 and self.heard_out:
            self.status = Status.SUCCEEDED
        elif code == 0:
            self.status = Status.FAILED
            self.reason = "what the engine did could not be written to its end: make room on the disk, run it again"
        else:
            self.status = Status.FAILED
            sentences = [errors.explain(error, self.layer, workspace.env) for error in self._told]
            self.reason = "; ".join(dict.fromkeys(sentences)) or f"the engine ended with code {code}: {self.command}"

    def _was_cut_short(self, code: int) -> bool:
        """Whether the engine ended before its time because it was asked to."""
        if code == 0:  # of a destroy that was cut short, the engine says that it succeeded
            return self.interrupted and self.action is Action.DESTROY and not self.emptied
        canceled = any(CANCELED.fullmatch(error) for error in self.errors)
        return canceled or code == -signal.SIGINT or (self.interrupted and not self._told)

    @property
    def _told(self) -> list[str]:
        """The errors that say what is wrong."""
        return [error for error in self.errors if not errors.is_noise(error)]


def is_unknown(value: Any) -> bool:
    """Whether an output, or a part of it, is only known after the deploy."""
    if isinstance(value, list):
        return any(is_unknown(item) for item in value)
    if isinstance(value, dict):
        return any(is_unknown(item) for item in value.values())
    return bool(value == UNKNOWN)


_PAST = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "import": "imported",
    "create-replacement": "created the replacement of",
    "import-replacement": "imported the replacement of",
    "delete-replaced": "deleted the replaced",
}


def _step(metadata: dict[str, Any]) -> Step:
    state = metadata.get("new") or metadata.get("old") or {}
    return Step(
        op=metadata["op"],
        type=metadata["type"],
        name=metadata["urn"].rsplit("::", 1)[-1],
        keys=tuple(metadata.get("keys") or metadata.get("diffs") or ()),
        protected=bool(state.get("protect")),
    )


def _is_there(metadata: dict[str, Any]) -> bool:
    """Whether a finished step leaves something in AWS: no component, no stack, no provider."""
    return bool((metadata.get("new") or {}).get("custom")) and not metadata["type"].startswith("pulumi:")


def _because(step: Step) -> str:
    return f" ({', '.join(step.keys)})" if step.keys else ""
