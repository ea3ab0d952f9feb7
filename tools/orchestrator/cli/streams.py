"""What is printed to a pipe or a file, as for `| head`, `> file` and CI's log."""

import io
import os
import re
import sys
from pathlib import Path

BLANKS = re.compile(r"[ \t]+(?=\n)")
"""With which a table fills its last column."""

UNKNOWN = "replace"
"""What becomes of a character that the stream's encoding does not have: no reason to end a deploy in the middle."""


class Piped(io.TextIOWrapper):
    """A standard stream without blanks at the ends of lines, which goes nowhere once its reader is gone.

    `| head` that has seen enough ends no deploy in the middle, and is no error.
    """

    @classmethod
    def over(cls, stream: io.TextIOWrapper) -> "Piped":
        return cls(stream.buffer, encoding=stream.encoding, errors=UNKNOWN, line_buffering=stream is sys.stderr)

    def write(self, text: str) -> int:
        try:
            super().write(BLANKS.sub("", text))
        except BrokenPipeError:
            self._go_nowhere()
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            self._go_nowhere()

    def _go_nowhere(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def replace_standard_streams() -> None:
    """Let every standard stream that is no terminal be `Piped`, and one that is closed go nowhere; print to any.

    Not a stream that somebody else has put in place, as pytest does.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 (open to the end, as a standard stream is)
        elif stream is getattr(sys, f"__{name}__"):
            if stream.isatty():
                stream.reconfigure(errors=UNKNOWN)
            else:
                setattr(sys, name, Piped.over(stream))
