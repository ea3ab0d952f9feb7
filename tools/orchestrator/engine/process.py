"""One command of the engine on one layer: start it, follow it, interrupt it, judge how it ended."""

import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from tools.orchestrator.engine import children, errors, policy_host, program_host
from tools.orchestrator.engine.events import EventHandler
from tools.orchestrator.engine.stack_file_copy import StackFileCopy
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import explain_os_error
from tools.orchestrator.model.operation import Action, Operation, OperationStatus

CANCELED = re.compile(r"(error: )?\w+ cancell?ed")
"""The engine's message after it was asked to end. It may say the same of a resource if another one has failed."""
ENDED_BY_SIGNAL = {-signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL}
POLL_SECONDS = 0.05
"""How long a line may stay unread: short for a person, long for a processor."""
SILENCE_SECONDS = 3 * 60 * 60
"""How long an engine may write nothing. It writes nothing while AWS works on a resource: the provider waits for the
resource's `customTimeouts`, which layers set to 80 minutes at most, up to once for each part of a step."""
REPORT_SECONDS = 10 * 60
"""How often a silent engine's run says what it waits for."""


@dataclass
class OperationProcess:
    """Runs an operation in the engine."""

    operation: Operation
    workspace: Workspace
    on_progress: Callable[[str], None]
    """Receives each command and each finished step as a line."""
    silence_seconds: float = SILENCE_SECONDS
    report_seconds: float = REPORT_SECONDS
    interruptions: int = 0
    """The number of requests to end."""
    _stopped_while: str = ""
    """What the engine did when it was killed, because it had been silent for too long."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _was_asked: bool = False
    _passing_on: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def interrupted_pid(self) -> int | None:
        """The engine's process if a signal ended it before it could react, and so left its lock behind."""
        process, was_ended = self._process, self.interruptions or self._stopped_while
        return process.pid if process and was_ended and process.returncode in ENDED_BY_SIGNAL else None

    def create_stack(self) -> None:
        """Create the layer's empty stack, as the first part of the operation.

        Raises:
            OrchestratorError: the engine does not create it.
        """
        self._begin(*self.workspace.stack_init_args)
        self.workspace.create_stack(self.operation.layer)

    def run(self, message: str, events_file: Path, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        """Run the command to its end; a failure becomes the operation's status and reason.

        The layer's program sees `variables` in addition to the engine's own. The engine writes its events to a file
        and not to a pipe: if this process is killed, the engine goes on, ends its update and frees its lock.

        Raises:
            OrchestratorError: the program's runtime or the policy pack does not start.
        """
        operation, workspace = self.operation, self.workspace
        arguments = workspace.action_arguments(operation.action)
        self._begin(*arguments)
        message_arguments = () if operation.action.is_preview else ("--message", message)
        program_environment = workspace.with_env(**variables).process_environment()
        with (
            program_host.serve(str(workspace.monorepo.folder(operation.layer)), program_environment) as runtime,
            workspace.stack_file_copy(operation.layer) as copy,
            events_file.open("wb") as written,
            events_file.open("rb") as read,
        ):
            hosted = policy_host.with_pack(workspace) if operation.action.runs_program else workspace
            settings = workspace.config_file(operation.layer, copy)
            streaming = ("--json", "--client", runtime.address)
            with children.engine(
                hosted.command(operation.layer, *arguments, *message_arguments, *settings, *streaming),
                env=hosted.process_environment() | {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                pass_fds=(*hosted.inherited_fds, runtime.inherited_fd),
            ) as self._process:
                if self.interruptions:  # before the engine started
                    self._pass_on()
                self._follow(self._process, read)
            if operation.changed_aws:
                self._take_encryption_keys(copy)
        operation.end(*self._result(self._process.returncode))

    def _take_encryption_keys(self, copy: StackFileCopy) -> None:
        """Add the engine's keys to the stack file. The layer is deployed even if that fails; the state has them."""
        try:
            self.operation.added_encryption_keys = copy.take_encryption_keys()
        except OSError as error:
            warning = (
                f"{explain_os_error(error)}: how the stack's secrets are encrypted could not be added; "
                "make the file writable, and the next deployment that changes something adds it"
            )
            self.operation.warnings.append(warning)
            self.on_progress(f"warning: {warning}")

    def _begin(self, *arguments: str) -> None:
        self.operation.begin(self.workspace.display_command(self.operation.layer, *arguments))
        self.on_progress(self.operation.command)

    def _follow(self, process: subprocess.Popen[bytes], events: BinaryIO) -> None:
        """Handle each line as it is written, until the engine has ended; wait for the rest of a partial line.

        An engine that is silent for too long is killed.
        """
        handler = EventHandler(self.operation, self.workspace.monorepo.stateful_types, self.on_progress)
        partial = b""
        heard = reported = time.monotonic()
        while True:
            ended = process.poll() is not None
            for text in events:
                heard = reported = time.monotonic()
                partial += text
                if partial.endswith(b"\n"):
                    handler.on_line(partial.decode(errors="replace"))
                    partial = b""
            if ended:
                return
            now = time.monotonic()
            if now - heard > self.silence_seconds and not self._stopped_while:
                self._stopped_while = self._works_on
                children.kill(process)
            elif now - reported > self.report_seconds:
                reported = now
                self.on_progress(f"{self._works_on}: no event of the engine for {_minutes(now - heard)} min")
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)

    @property
    def _works_on(self) -> str:
        return ", ".join(self.operation.running.values()) or "the engine itself"

    def interrupt(self) -> None:
        """Ask the engine to end cleanly, as soon as it runs."""
        self.interruptions += 1
        self._pass_on()

    def _pass_on(self) -> None:
        """Send SIGINT, but only once: a second one makes the engine leave what it is doing."""
        with self._passing_on:
            if self._process and not self._was_asked:
                self._was_asked = True
                self._process.send_signal(signal.SIGINT)

    def _result(self, code: int) -> tuple[OperationStatus, str]:
        """Return how the operation ended and why."""
        operation = self.operation
        if self._stopped_while and code in ENDED_BY_SIGNAL:
            silent = f"the engine wrote no event for {_minutes(self.silence_seconds)} min and was killed"
            return OperationStatus.FAILED, f"{silent}; it worked on {self._stopped_while}"
        if self._was_cut_short(code):
            nothing = "nothing was changed"
            kept = "what was done is kept"
            return OperationStatus.INTERRUPTED, kept if operation.changed_aws else nothing
        if code == 0 and operation.saw_summary:
            return OperationStatus.SUCCEEDED, ""
        if code == 0:
            reason = "the engine's events are incomplete: free disk space and run it again"
            return OperationStatus.FAILED, reason
        sentences = [errors.explain(error, operation.layer, self.workspace.env) for error in self._reported_errors]
        reason = "; ".join(dict.fromkeys(sentences)) or errors.without_reason(code, operation.command)
        return OperationStatus.FAILED, reason

    def _was_cut_short(self, code: int) -> bool:
        """Return whether the engine ended early because it was asked to."""
        operation = self.operation
        if code == 0:  # after a destroy that was cut short, the engine reports success
            return bool(self.interruptions) and operation.action is Action.DESTROY and not operation.deleted_stack
        canceled = any(CANCELED.fullmatch(error) for error in operation.errors)
        ended_by_us = self.interruptions and (code in ENDED_BY_SIGNAL or not self._reported_errors)
        return canceled or bool(ended_by_us)

    @property
    def _reported_errors(self) -> list[str]:
        """The errors that say what is wrong."""
        return [error for error in self.operation.errors if not errors.is_noise(error)]


def _minutes(seconds: float) -> int:
    return round(seconds / 60)
