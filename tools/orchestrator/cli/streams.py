"""Standard streams that never end a verb: not if their reader is gone, nor if they cannot encode a character."""

import io
import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Output(io.FileIO):
    """A file that drops what nobody reads any longer: `| head` ends no deploy in the middle and is not an error."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


class _PlainText(io.TextIOWrapper):
    """Text without the blanks with which a table fills its last column."""

    def write(self, text: str, /) -> int:
        super().write(re.sub(r"[ \t]+(?=\n)", "", text))
        return len(text)


def replace_standard_streams() -> None:
    """Replace stdout and stderr, unless they are already replaced, as by pytest; a closed one leads nowhere."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 (open to the end)
        if stream is None or stream is not getattr(sys, f"__{name}__"):
            continue
        output = io.BufferedWriter(_Output(stream.fileno(), "w", closefd=False))
        kind = io.TextIOWrapper if stream.isatty() else _PlainText
        wrapped = kind(output, stream.encoding, errors="replace", newline="\n", line_buffering=stream.line_buffering)
        setattr(sys, name, wrapped)
