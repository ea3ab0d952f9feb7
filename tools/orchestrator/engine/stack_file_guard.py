"""What the engine writes into a stack file, and which part of it stays.

If a file does not say how its stack's secrets are encrypted, every command that opens them adds it, even a preview,
and rewrites the whole file. Only a stack that holds something needs the addition.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

ENCRYPTION_KEYS = ("secretsprovider", "encryptedkey", "encryptionsalt")
"""The keys that the engine adds."""
KEY_LINES = re.compile(rf"^({'|'.join(ENCRYPTION_KEYS)}):.*\n?".encode(), re.MULTILINE)


@contextmanager
def preserve_stack_file(path: Path, needs_keys: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Restore a stack file after the engine's work; add the engine's keys if they are needed.

    What a person writes into the file in the meantime stays.
    """
    before = _text(path)
    try:
        yield
    finally:
        now = _text(path)
        if now is not None and now != before:
            with suppress(yaml.YAMLError):  # a person is editing it
                _restore(path, before, now, keep_keys=needs_keys())


def without_keys(text: bytes) -> bytes:
    """Return a stack file without the engine's keys, which change nothing that a layer asks for."""
    return KEY_LINES.sub(b"", text)


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _restore(path: Path, before: str | None, now: str, *, keep_keys: bool) -> None:
    own = yaml.safe_load(before or "") or {}
    written = yaml.safe_load(now) or {}
    added = {key: written.pop(key) for key in ENCRYPTION_KEYS if key in written and key not in own}
    if not added or _as_the_engine_writes(own) != _as_the_engine_writes(written):
        return
    if keep_keys:
        path.write_text(_with_newline(before or "") + yaml.safe_dump(added, width=len(now)))
    elif before is None:
        path.unlink()
    else:
        path.write_text(before)


def _with_newline(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _as_the_engine_writes(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content with every setting as text that is not a list or an object."""
    settings = (content.get("config") or {}).items()
    texts = {key: value if isinstance(value, list | dict | str) else _as_text(value) for key, value in settings}
    return content | {"config": texts}


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
