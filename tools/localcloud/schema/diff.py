"""Compares what a program wants with what the state says, as AWS would: lists without order, policies by meaning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import PENDING
from tools.localcloud.schema.values import SIGNATURE, UNKNOWN, contains_unknown

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import Spec
    from tools.localcloud.schema.values import Props


def changes(spec: Spec, olds: Props, news: Props) -> dict[str, tuple[str, str]]:
    """Return each changed property path -> (its input, the kind: ADD, UPDATE or DELETE)."""
    found: dict[str, tuple[str, str]] = {}
    pending = frozenset(olds.get(PENDING, ()))
    for key in sorted((spec.inputs | {"tagsAll"}) & spec.properties - {"tags"}):
        wanted, have = news.get(key), olds.get(key)
        if wanted is None:
            wanted = spec.default(key, news)
            if spec.is_computed(key) and (key not in spec.default_with or None in (wanted, have)):
                continue
        if have is None and key in spec.kept:
            have = spec.defaults.get(key)
        if key in pending:
            found[key] = (key, "UPDATE")
        elif not same(spec, key, have, wanted):
            shown = "tags" if key == "tagsAll" and not same(spec, "tags", olds.get("tags"), news.get("tags")) else key
            before, after = (olds.get(shown), news.get(shown)) if shown == "tags" else (have, wanted)
            ordered = key not in spec.unordered | spec.documents
            found |= {path: (key, kind) for path, kind in _paths(shown, before, after, ordered=ordered)}
    return found


def same(spec: Spec, key: str, one: Any, other: Any) -> bool:
    """Return whether two values of a property mean the same to AWS."""
    if one is other:
        return True
    if contains_unknown(one) or contains_unknown(other):
        return False
    return bool(_comparable(spec, key, one) == _comparable(spec, key, other))


def planned(spec: Spec, olds: Props, news: Props, changed: frozenset[str] | None, region: str) -> Props:
    """Return the state after a create (`changed` is None) or an update, unknown where AWS decides."""
    given = {key: value for key, value in news.items() if key in spec.properties}
    if spec.regional:
        given.setdefault("region", region)
    if changed is None:
        decided = {key for key in spec.properties if key not in spec.inputs or spec.is_computed(key)}
        return {**dict.fromkeys(decided, UNKNOWN), **spec.defaults, **given}
    stays = {key: value for key, value in olds.items() if key not in spec.inputs or spec.is_computed(key)}
    moves = {output: UNKNOWN for output, source in spec.unknown_when_changed.items() if source in changed}
    moves |= {key: spec.default(key, news) for key in spec.default_with.keys() & changed - given.keys()}
    return {**spec.defaults, **stays, **given, **moves}


def _comparable(spec: Spec, key: str, value: Any) -> Any:
    if key in spec.documents:
        return _document(value)
    if key == "tagsAll" or key in spec.maps:
        return value or None
    if key in spec.canonical and value is not None:
        value = spec.canonical[key](value)
    value = _scalars(value)
    if key in spec.unordered and isinstance(value, list):
        return sorted(value, key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _scalars(value: Any) -> Any:
    """Return a value with numbers and booleans as text, and None for what means "not set" to AWS."""
    match value:
        case dict():
            kept = {key: _scalars(item) for key, item in value.items()}
            return {key: item for key, item in kept.items() if item is not None} or None
        case list():
            return [_scalars(item) for item in value] or None
        case bool():
            return "true" if value else None
        case int() | float():
            return f"{value:.15g}" if value else None
        case "" | "false" | "0":
            return None
    return value


def _document(value: Any) -> Any:
    """Return what a JSON text says; in an IAM policy, a list of one is its item and lists of texts have no order."""
    if not isinstance(value, str) or not value:
        return value or None
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return _policy(found) if isinstance(found, dict) and "Statement" in found else found


def _policy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _policy(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [_policy(item) for item in value]
        if len(items) == 1 and isinstance(items[0], str):
            return items[0]
        return sorted(items) if all(isinstance(item, str) for item in items) else items
    return value


def _paths(path: str, before: Any, after: Any, *, ordered: bool) -> list[tuple[str, str]]:
    if before in (None, "", [], {}):
        return [(path, "ADD")]
    if after in (None, "", [], {}):
        return [(path, "DELETE")]
    if isinstance(after, dict) and SIGNATURE in after:
        return [(path, "UPDATE")]  # an archive has no paths within
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
        pairs = [(_step(path, key), before.get(key), after.get(key)) for key in keys]
    elif ordered and isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [
            (f"{path}[{n}]", *pair) for n, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]
        ]
    else:
        return [(path, "UPDATE")]
    return [found for pair in pairs for found in _paths(*pair, ordered=ordered)] or [(path, "UPDATE")]


def _step(path: str, key: str) -> str:
    return f"{path}.{key}" if key.isidentifier() else f'{path}["{key}"]'
