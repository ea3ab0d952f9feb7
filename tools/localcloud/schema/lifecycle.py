"""Creates, updates, reads and deletes resources as their `Spec` says: the only code that all types share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.localcloud.schema import diff
from tools.localcloud.schema.spec import PENDING, arn_of, get_path, is_not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.localcloud.schema.spec import ResourceContext, Setter, Tagging
    from tools.localcloud.schema.values import Props


class PartialFailure(Exception):  # noqa: N818 (the resource exists)
    """A resource exists, but a call after its creation failed."""

    def __init__(self, reason: Exception, identity: str, state: Props) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.identity = identity
        self.state = state


def create(context: ResourceContext) -> Props:
    """Create a resource and return its state; the id is then in the context.

    Raises:
        ClientError: AWS refuses the create call.
        PartialFailure: the resource exists, but a later call failed.
    """
    context.state = _start_state(context, {})
    context.id = context.spec.create(context)
    context.changed = frozenset(context.inputs)
    setters = [setter for setter in context.spec.setters if setter.create and _differs(context, setter)]
    return _set(context, setters, tagged={})


def update(context: ResourceContext, changed: frozenset[str]) -> Props:
    """Set the inputs that changed and return the state.

    Raises:
        PartialFailure: a call failed.
    """
    tagged = context.state.get("tagsAll") or {}
    context.changed = changed
    context.state = _start_state(context, context.state)
    return _set(context, [setter for setter in context.spec.setters if setter.keys & changed], tagged=tagged)


def delete(context: ResourceContext) -> None:
    """Delete a resource, if it still exists."""
    try:
        context.spec.delete(context)
    except ClientError as error:
        if not is_not_found(error):
            raise


def read(context: ResourceContext) -> Props | None:
    """Return the state as the emulator has it; None if the resource does not exist."""
    spec = context.spec
    try:
        item = spec.read(context)
    except ClientError as error:
        if is_not_found(error):
            return None
        raise
    if item is None:
        return None
    found = {key: context.state[key] for key in spec.kept | {PENDING} if key in context.state}
    for key in spec.read_back:
        value = context.decode(key, get_path(item, spec.response_path.get(key) or spec.aws_name(key)))
        if value is not None:
            old = context.state.get(key)
            found[key] = old if old is not None and diff.same(spec, key, old, value) else value
    if spec.regional:
        found["region"] = context.region
    if spec.tagging:
        found |= _read_tags(context, spec.tagging, item, found)
    return found


def _start_state(context: ResourceContext, before: Props) -> Props:
    """Return what is known before the calls of a create or an update."""
    spec = context.spec
    computed = {
        key: value
        for key, value in before.items()
        if key != PENDING and (key not in spec.inputs or spec.is_computed(key))
    }
    given = {key: value for key, value in context.inputs.items() if key in spec.properties}
    return {**spec.defaults, **computed, **given}


def _differs(context: ResourceContext, setter: Setter) -> bool:
    """Return whether one of the inputs of a setter is not what a new resource has anyway."""
    inputs, defaults = context.inputs, context.spec.defaults
    return any(
        key in context.write_only_values or (key in inputs and inputs[key] != defaults.get(key))
        for key in setter.keys
    )


def _set(context: ResourceContext, setters: list[Setter], *, tagged: dict[str, str]) -> Props:
    """Run setters, then set the tags, and return the state; a failure notes in the state what is still to be set."""
    wanted = context.tags()
    try:
        while setters:
            setters[0].run(context)
            setters.pop(0)
        if context.spec.tagging and wanted != tagged:
            _write_tags(context, context.spec.tagging, tagged, wanted)
    except Exception as reason:
        left = frozenset(key for setter in setters for key in setter.keys) & context.spec.inputs
        state = _state_after(context) | {PENDING: sorted(left)}
        raise PartialFailure(reason, context.id, state) from reason
    return _state_after(context)


def _state_after(context: ResourceContext) -> Props:
    found = read(context)
    if found is None:
        raise RuntimeError(f"{context.id} was created, but the emulator does not show it")
    found.pop(PENDING, None)
    return found


def _read_tags(context: ResourceContext, how: Tagging, item: Mapping[str, Any], found: Props) -> Props:
    """Return `tagsAll` and those of them that the program set itself, `tags`."""
    mine, defaults = context.state.get("tags") or {}, context.aws.default_tags
    context.state = {**context.state, **found}  # `how.of` may need the ARN
    if how.read:
        item = context.call(how.read, **{how.target: how.of(context)})
    every = item.get(how.response_path) or {}
    if isinstance(every, list):
        key, value = how.pair or ("Key", "Value")
        every = {tag[key]: tag[value] for tag in every}
    every = {key: value for key, value in every.items() if not key.startswith("aws:")}  # AWS's own
    own = {key: value for key, value in every.items() if key in mine or defaults.get(key) != value}
    return {"tagsAll": every, "tags": own}


def _write_tags(context: ResourceContext, how: Tagging, tagged: dict[str, str], wanted: dict[str, str]) -> None:
    if how.of is arn_of and "arn" not in context.state:
        read(context)
    identity = how.of(context)
    target = [identity] if how.many else identity
    removed = sorted(tagged.keys() - wanted.keys())
    if removed:
        names: Any = [{"Key": key} for key in removed] if how.tag_keys == "Tags" else removed
        context.call(how.remove, **{how.target: target, how.tag_keys: names})
    if wanted:
        pair = how.pair
        tags: Any = [{pair[0]: key, pair[1]: value} for key, value in wanted.items()] if pair else wanted
        context.call(how.add, **{how.target: target, how.tags: tags})
