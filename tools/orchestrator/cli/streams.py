"""Standard streams that never end a verb, and through which no text commands the terminal.

They drop what cannot be written, and replace what they cannot encode. What a lock, a journal, a resource or an
error holds was written by others: its control characters are shown, not sent.
"""

import codecs
import io
import locale
import os
import re
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""Control sequences of ECMA-48, as in the coloured traceback of a program."""
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters other than tab and line feed, and those that break or reorder lines."""
LONGEST = 20_000
"""Characters of a line for people. The failures of a layer stand in one line, which may be hundreds."""


def printable(text: str) -> str:
    r"""Return text without colours, and with control characters as in `\u0007`, which in JSON means the same."""
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", COLOURS.sub("", text))


def shortened(text: str) -> str:
    """Return text with every line cut to a length for people."""
    return re.sub(f"(?m)^(.{{{LONGEST}}}).+$", r"\1…", text)


class _Output(io.FileIO):
    """A file that drops what cannot be written: neither `| head` nor a full disk ends a deploy in the middle."""

    error: OSError | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:  # nobody wants to read more, which is not an error
            pass
        except OSError as error:
            self.error = self.error or error
        return memoryview(data).nbytes


class _Styled(io.TextIOWrapper):
    """Text that may hold rich's own styles; in a pipe without the blanks with which a table fills its last column."""

    def __init__(self, buffer: io.BufferedWriter, like: TextIO) -> None:
        # Written through: whatever else writes to the same buffer does so in order.
        super().__init__(buffer, _encoding(), "replace", "\n", bool(like.line_buffering), write_through=True)

    def write(self, text: str, /) -> int:
        super().write(text if self.isatty() else re.sub(r"[ \t]+(?=\n)", "", text))
        return len(text)


def _encoding() -> str:
    """Return the encoding of the terminal: the locale's, or UTF-8 for one that names none, as in Python's PEP 540."""
    given = locale.getencoding()  # also if Python itself is in UTF-8 mode
    return "utf-8" if codecs.lookup(given).name == "ascii" else given


class Stream(_Styled):
    """A standard stream that makes text printable and, `for_people` rather than data, cuts its lines."""

    def __init__(self, like: TextIO, *, for_people: bool) -> None:
        self.output = _Output(like.fileno(), "w", closefd=False)
        buffer: io.BufferedWriter = io.BufferedWriter(self.output)
        super().__init__(buffer, like)
        self.styled = _Styled(buffer, like)
        """The same stream for rich, whose console has to make every text printable itself."""
        self.for_people = for_people

    def write(self, text: str, /) -> int:
        super().write(printable(shortened(text) if self.for_people else text))
        return len(text)


def replace_standard_streams() -> None:
    """Replace stdout and stderr, unless they are already replaced, as by pytest; a closed one leads nowhere."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 (open to the end)
        elif stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, Stream(stream, for_people=name == "stderr"))


def lost_output() -> str:
    """Return a sentence if some of stdout or stderr could not be written, as to a full disk; otherwise ''."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        stream.flush()
        if isinstance(stream, Stream) and stream.output.error:
            return f"{name} could not be written: {stream.output.error.strerror}"
    return ""
