"""One operation on one resource: what a `Spec`'s calls get to work with, and how its state is read."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.localcloud.schema import diff
from tools.localcloud.schema.spec import MANAGED, PENDING, Setter, Spec, Tagging, pascal, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.localcloud.provider.connection import Session
    from tools.localcloud.provider.property_values import Props

# How the services say that a thing does not exist (any more).
GONE = ("NotFound", "NoSuch", "NonExistent", "DoesNotExist", "NotFoundFault", "InvalidKeyId")


class HalfDoneError(Exception):
    """The resource exists, but not all of it could be set; `reason` is AWS's."""

    def __init__(self, reason: Exception, identity: str, state: Props) -> None:
        super().__init__(str(reason))
        self.reason, self.identity, self.state = reason, identity, state


def gone(error: ClientError) -> bool:
    code = error.response.get("Error", {}).get("Code", "")
    return any(sign in code for sign in GONE)


class Operation:
    """A `Spec` at work: `given` is what the program wants, `state` what is known so far, `id` AWS's."""

    def __init__(
        self,
        spec: Spec,
        session: Session,
        *,
        given: Props,
        state: Props,
        identity: str = "",
        hidden: Props | None = None,
    ) -> None:
        self.spec: Spec = spec
        self.session: Session = session
        self.given: Props = given
        self.state: Props = state
        self.id: str = identity
        self.hidden = hidden or {}  # the write-only inputs
        self.changed: frozenset[str] = frozenset()
        self.region = given.get("region") or state.get("region") or session.region
        self.account: str = session.account

    # What a spec's calls use.

    def call(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Call AWS; arguments that are None are left out."""
        service = self.session.client(self.spec.client, self.region)
        given = {key: value for key, value in arguments.items() if value is not None}
        answer: dict[str, Any] = getattr(service, name)(**given)
        return answer

    def make(self, call: str, found: str = "", **more: Any) -> str:
        """The create call, with every input that it takes; answers what stands at the path `found`, or the name."""
        spec = self.spec
        keys = spec.on_create & (self.given.keys() | MANAGED.keys() & spec.defaults.keys())
        name = {spec.aws(spec.name): self.physical_name()} if spec.name in words(spec.fixed) else {}
        answer = self.call(call, **(self.encoded(keys) | name | more))
        return str(dig(answer, found) if found else next(iter(name.values()), ""))

    def attributes(self, keys: frozenset[str]) -> dict[str, str]:
        """Those of `keys` that were given, as a service with textual attributes wants them."""
        return {name: str(value) for name, value in self.encoded(keys & self.given.keys()).items()}

    def modify(self, call: str, keys: str, **more: Any) -> dict[str, Any]:
        """A change call, with those of `keys` that changed; a removed one is emptied."""
        return self.call(call, **(self.encoded(words(keys) & self.changed) | more))

    def refuse(self, code: str, message: str) -> ClientError:
        """An error as AWS would give it, where the emulator does not."""
        return ClientError({"Error": {"Code": code, "Message": message}}, self.spec.kind.rsplit(":", 1)[-1])

    def first(self, call: str, found: str, **arguments: Any) -> dict[str, Any] | None:
        items: list[dict[str, Any]] = self.call(call, **arguments).get(found) or []
        return items[0] if items else None

    def want(self, key: str) -> Any:
        return self.given.get(key, self.spec.defaults.get(key))

    def encoded(self, keys: frozenset[str]) -> dict[str, Any]:
        return {self.spec.aws(key): self._encode(key) for key in sorted(keys)}

    def physical_name(self) -> str:
        """The name given, or one made from the prefix given (26 digits, as Terraform's)."""
        name = self.given.get(self.spec.name)
        return name or f"{self.given[self.spec.name + 'Prefix']}{secrets.token_hex(13)}"

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        return f"arn:aws:{service}:{self.region if region is None else region}:{self.account}:{resource}"

    def tags(self) -> dict[str, str]:
        return dict(self.want("tagsAll") or {})

    # What the provider uses.

    def create(self) -> tuple[str, Props]:
        """Make it and read it back. Raises `HalfDoneError` when it exists, but a later call failed."""
        self.state = self._kept_state()
        self.id = self.spec.create(self)
        todo = [s for s in self.spec.setters if s.create and self._differs(s)]
        self.changed = frozenset(self.given)
        self._run(todo, tagged={})
        return self.id, self._read_after()

    def update(self, changed: frozenset[str]) -> Props:
        before = self.state
        self.changed = changed
        self.state = self._kept_state(before)
        todo = [s for s in self.spec.setters if words(s.keys) & changed]
        self._run(todo, tagged=before.get("tagsAll") or {})
        return self._read_after()

    def delete(self) -> None:
        try:
            self.spec.delete(self)
        except ClientError as error:
            if not gone(error):
                raise

    def observe(self) -> Props | None:
        """The state as the emulator has it; None when it is gone."""
        spec = self.spec
        try:
            item = spec.read(self)
        except ClientError as error:
            if gone(error):
                return None
            raise
        if item is None:
            return None
        found = {key: self.state[key] for key in spec.kept | spec.prefixes if key in self.state}
        for key in spec.read_back - {key for key in words(spec.ceded) if key not in self.given}:
            value = self._decode(key, dig(item, spec.seen.get(key) or spec.aws(key)))
            if value is not None:
                old = self.state.get(key)
                found[key] = old if old is not None and diff.same(spec, key, old, value) else value
        if spec.regional:
            found["region"] = self.region
        if spec.tagging:
            self.state = {**self.state, **found}
            every = self._read_tags(spec.tagging, item)
            mine = self.state.get("tags") or {}
            ours = self.session.default_tags
            found["tagsAll"] = every
            found["tags"] = {k: v for k, v in every.items() if k in mine or ours.get(k) != v}
        if PENDING in self.state:
            found[PENDING] = self.state[PENDING]
        return found

    def preview(self, changed: frozenset[str] | None = None) -> Props:
        """What the state will be; a computed output of something new is left to the engine as unknown."""
        return diff.planned(self.spec, self.state, self.given, changed, self.session.region)

    # Inside.

    def _kept_state(self, before: Mapping[str, Any] | None = None) -> Props:
        spec = self.spec
        computed = {
            key: value
            for key, value in (before or {}).items()
            if key != PENDING and (key not in spec.inputs or spec.open(key))
        }
        given = {k: v for k, v in self.given.items() if k in self.spec.known}
        return {**self.spec.defaults, **computed, **given}

    def _differs(self, setter: Setter) -> bool:
        return any(
            (key in self.hidden) or (key in self.given and self.given[key] != self.spec.defaults.get(key))
            for key in words(setter.keys)
        )

    def _run(self, todo: list[Setter], tagged: dict[str, str]) -> None:
        """Run the setters and then the tags; what fails is noted in state with what was left."""
        wanted = self.tags()
        try:
            while todo:
                todo[0].run(self)
                todo.pop(0)
            if self.spec.tagging and wanted != tagged:
                self._write_tags(self.spec.tagging, tagged, wanted)
        except Exception as reason:
            state = self._read_after()
            left = words(" ".join(setter.keys for setter in todo)) & self.spec.inputs
            raise HalfDoneError(reason, self.id, {**state, PENDING: sorted(left)}) from reason

    def _read_after(self) -> Props:
        found = self.observe()
        if found is None:
            raise RuntimeError(f"{self.id} was made, but the emulator does not show it")
        found.pop(PENDING, None)
        return found

    def _tagged(self, how: Tagging) -> str:
        return how.of(self) if how.of else str(self.state["arn"])

    def _read_tags(self, how: Tagging, item: Mapping[str, Any]) -> dict[str, str]:
        if how.read:
            item = self.call(how.read, **{how.target: self._tagged(how)})
        tags = item.get(how.found) or {}
        if isinstance(tags, list):
            key, value = how.pair or ("Key", "Value")
            tags = {tag[key]: tag[value] for tag in tags}
        return {key: value for key, value in tags.items() if not key.startswith("aws:")}

    def _write_tags(self, how: Tagging, before: Mapping[str, str], wanted: Mapping[str, str]) -> None:
        if not how.of and "arn" not in self.state:
            self.observe()
        target: Any = [self._tagged(how)] if how.many else self._tagged(how)
        removed = sorted(before.keys() - wanted.keys())
        if removed:
            keys: Any = [{"Key": key} for key in removed] if how.keys == "Tags" else removed
            self.call(how.remove, **{how.target: target, how.keys: keys})
        if wanted:
            pair = how.pair
            tags: Any = [{pair[0]: k, pair[1]: v} for k, v in wanted.items()] if pair else dict(wanted)
            self.call(how.add, **{how.target: target, how.tags: tags})

    def _encode(self, key: str) -> Any:
        value = self.want(key)
        if value is None:
            value = [] if isinstance(self.state.get(key), list) else ""
        if key in self.spec.codecs:
            return self.spec.codecs[key][0](value)
        return value if key in words(self.spec.maps) else to_aws(value)

    def _decode(self, key: str, value: Any) -> Any:
        if value is None:
            return None
        if key in self.spec.codecs:
            return self.spec.codecs[key][1](value)
        return value if key in words(self.spec.maps) else from_aws(value)


def to_aws(value: Any) -> Any:
    if isinstance(value, dict):
        return {pascal(key): to_aws(item) for key, item in value.items() if item is not None}
    return [to_aws(item) for item in value] if isinstance(value, list) else value


def from_aws(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: from_aws(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [from_aws(item) for item in value]
    return value if isinstance(value, str | int | float | bool) else str(value)


def dig(item: Any, path: str) -> Any:
    """The value at a path of keys, numbers and `*` (each item of a list); None where it leads nowhere."""
    if not path or item is None:
        return item
    step, _, rest = path.partition(".")
    if step == "*":
        return [dig(one, rest) for one in item]
    if step.isdigit():
        return dig(item[int(step)], rest) if len(item) > int(step) else None
    return dig(item.get(step), rest)
