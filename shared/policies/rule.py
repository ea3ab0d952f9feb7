"""What a rule is, and the resource it looks at."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy.proxy import UnknownValueError

from shared.policies.documents import Carriers, Statement, documents, statements

PROVIDER = "pulumi:providers:aws"
OURS = ("pulumi:", "txmon:")
SECURITY_HUB = "AWS Security Hub User Guide, the control of this id"


@dataclass(frozen=True)
class Resource:
    """A resource as the engine is about to make it."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    """By Pulumi's names, as in `kmsKeyId`. In a preview, a value that is not known yet raises UnknownValueError."""
    protect: bool = False
    """Pulumi's `protect`."""
    production: bool = True
    """Whether the stack is held to production's rules (`profile.is_production`)."""
    default_tags: Mapping[str, str] = field(default_factory=dict)
    """The tags that the resource's provider puts on everything."""
    accounts: frozenset[str] = frozenset()
    """The accounts that the resource's provider may work in; none: whichever the credentials lead to."""
    uses: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    """Input -> type and name of the resources of this stack that it is made from; told of whole stacks only."""

    @property
    def suffix(self) -> str:
        """The environment suffix, which the provider's tags tell."""
        return self.default_tags.get("Environment", "")

    @property
    def kind(self) -> str:
        """The logical name without the environment: `vpc` for `vpc-dev`."""
        return self.name.removesuffix(f"-{self.suffix}")

    def is_for(self, other: "Resource", key: str) -> bool:
        """Whether this input is made from another resource."""
        return (other.type, other.name) in self.uses.get(key, ())

    def get(self, key: str, default: Any = None) -> Any:
        """An input.

        Raises:
            UnknownValueError: the preview does not know it yet.
        """
        return self.inputs.get(key, default)

    def has(self, *keys: str) -> bool:
        """Whether one of these inputs is given, even if its value is not known yet."""
        return not set(keys).isdisjoint(set(self.inputs))

    def has_own_key(self, key: str) -> bool:
        """Whether this input names a KMS key of ours, not one that AWS shares."""
        try:
            value = self.get(key)
        except UnknownValueError:
            return True  # it comes from a resource, and those that AWS shares have no resource
        return bool(value) and "alias/aws/" not in value


Look = Callable[[Resource], str | None]
"""What to change about a resource, or None."""

LookAtStack = Callable[[Resource, Sequence[Resource]], str | None]
"""The same about a resource among all those of its stack."""

LookAtStatement = Callable[[Statement, Resource], str | None]
"""The same about one statement of a resource's policy document."""


@dataclass(frozen=True)
class Rule:
    """A control, and the function that looks for its violations."""

    control: str
    """The id under which auditors know it, Security Hub's where it has one; TXMON.n is the house's own."""
    description: str
    source: str
    types: frozenset[str]
    """The types of resources it looks at; none: every type but Pulumi's own and the layers' components."""
    look: Callable[[Resource, Sequence[Resource]], Iterator[tuple[str, str]]]
    """Gives the part of the resource and what to change about it."""
    of_the_stack: bool = False
    """Whether it looks at the rest of the stack, too."""

    def concerns(self, resource_type: str) -> bool:
        return resource_type in self.types if self.types else not resource_type.startswith(OURS)

    def violations(self, resource: Resource, stack: Sequence[Resource] = ()) -> "list[Violation]":
        """What is wrong with the resource, if the rule concerns it; nothing while that is not known.

        `stack` is all that there is beside it, for the rules that look at it.
        """
        if not self.concerns(resource.type):
            return []
        try:
            return [Violation(self, resource, part, advice) for part, advice in self.look(resource, stack)]
        except UnknownValueError:
            return []  # a preview; the deployment looks again


@dataclass(frozen=True)
class Violation:
    """A resource that breaks a rule."""

    rule: Rule
    resource: Resource
    part: str
    """Which part of the resource: the Sid of a policy's statement, or nothing."""
    advice: str
    """What to change."""

    @property
    def sentence(self) -> str:
        """The rule, and what to change."""
        where = f"{self.part}: " if self.part else ""
        return f"{self.rule.control} ({self.rule.description.rstrip('.')}): {where}{self.advice}"


class Rules(list[Rule]):
    """The rules of a module; its methods are the decorators that add to them."""

    def on(self, control: str, *types: str, source: str = SECURITY_HUB) -> Callable[[Look], Look]:
        """A rule over whole resources of these types; its docstring is the description."""

        def add(look: Look) -> Look:
            def once(resource: Resource, _: Sequence[Resource]) -> Iterator[tuple[str, str]]:
                advice = look(resource)
                if advice:
                    yield "", advice

            self.append(Rule(control, look.__doc__ or "", source, frozenset(types), once))
            return look

        return add

    def on_stack(self, control: str, *types: str, source: str = SECURITY_HUB) -> Callable[[LookAtStack], LookAtStack]:
        """A rule over resources of these types and what the stack has beside them."""

        def add(look: LookAtStack) -> LookAtStack:
            def among(resource: Resource, stack: Sequence[Resource]) -> Iterator[tuple[str, str]]:
                advice = look(resource, stack)
                if advice:
                    yield "", advice

            self.append(Rule(control, look.__doc__ or "", source, frozenset(types), among, of_the_stack=True))
            return look

        return add

    def on_statements(
        self, control: str, *carriers: Carriers, source: str = SECURITY_HUB
    ) -> Callable[[LookAtStatement], LookAtStatement]:
        """A rule over each statement of the policy documents that these resources carry."""

        def add(look: LookAtStatement) -> LookAtStatement:
            def each(resource: Resource, _: Sequence[Resource]) -> Iterator[tuple[str, str]]:
                for document in documents(resource, *carriers):
                    for statement in statements(document):
                        advice = look(statement, resource)
                        if advice:
                            yield statement.get("Sid", ""), advice

            self.append(Rule(control, look.__doc__ or "", source, frozenset().union(*carriers), each))
            return look

        return add


def default_tags(value: Any) -> dict[str, str]:
    """The tags in a provider's `defaultTags`."""
    settings = of_provider(value)
    return dict(settings["tags"]) if settings else {}


def of_provider(value: Any) -> Any:
    """A setting of a provider, which the engine hands on as JSON text."""
    return json.loads(value) if isinstance(value, str) else value
