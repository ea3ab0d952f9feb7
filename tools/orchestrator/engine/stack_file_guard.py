"""What the engine writes into a stack file, and what of it stays.

Where a file does not tell how its stack's secrets are encrypted, every command of the engine that opens them adds it,
a preview too, and writes the whole file anew. Only a stack that holds something needs it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from shared.environments import stack_file

ENCRYPTION = ("secretsprovider", "encryptedkey", "encryptionsalt")
"""The keys that the engine adds."""
KEY_LINES = re.compile(rf"^({'|'.join(ENCRYPTION)}):.*\n?".encode(), re.MULTILINE)


@contextmanager
def kept(layer: str, env: str, needed: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """The stack file stays as it is while the engine works; in the end with the engine's keys, if they are `needed`.

    What a person writes into it in the meantime stays as well.
    """
    path = stack_file(layer, env)
    before = _text(path)
    try:
        yield
    finally:
        now = _text(path)
        if now is not None and now != before:
            with suppress(yaml.YAMLError):  # a person is at it
                _settle(path, before, now, keep=needed())


def without_keys(text: bytes) -> bytes:
    """A stack file without what the engine adds, which changes nothing that a layer asks for."""
    return KEY_LINES.sub(b"", text)


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _settle(path: Path, before: str | None, now: str, *, keep: bool) -> None:
    own = yaml.safe_load(before or "") or {}
    written = yaml.safe_load(now) or {}
    added = {key: written.pop(key) for key in ENCRYPTION if key in written and key not in own}
    if not added or _as_the_engine_writes(own) != _as_the_engine_writes(written):
        return
    if keep:
        path.write_text(_ended(before or "") + yaml.safe_dump(added, width=len(now)))
    elif before is None:
        path.unlink()
    else:
        path.write_text(before)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _as_the_engine_writes(content: dict[str, Any]) -> dict[str, Any]:
    """Every setting that is no list or object as text."""
    settings = (content.get("config") or {}).items()
    texts = {key: value if isinstance(value, list | dict | str) else _as_text(value) for key, value in settings}
    return content | {"config": texts}


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
