"""Rules, their violations, and the decorators that turn a function into a rule."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from shared.policies.documents import PolicyInputs, Statement, documents, statements
from shared.policies.resource import Resource, UnknownValueError

NOT_RULED = ("pulumi:", "txmon:")
"""Pulumi's own types and the layers' components, which create nothing in AWS."""
SECURITY_HUB = "AWS Security Hub User Guide, the control of this id"

Check = Callable[[Resource], str | None]
"""Returns what to change about a resource; None if it is compliant."""

StackCheck = Callable[[Resource, Sequence[Resource]], str | None]
"""The same, given all resources of the stack."""

StatementCheck = Callable[[Statement, Resource], str | None]
"""The same for one statement of a resource's policy document."""


@dataclass(frozen=True)
class Rule:
    """A control, and the function that finds its violations."""

    control: str
    """The id that auditors know: Security Hub's if it has one, else TXMON.n."""
    description: str
    source: str
    types: frozenset[str]
    """The types of resources that it applies to; empty for every type but `NOT_RULED`."""
    check: Callable[[Resource, Sequence[Resource]], Iterable[tuple[str, str | None]]]
    """Returns each part of the resource with what to change about it; None if it is compliant."""
    needs_stack: bool = False
    """Whether it needs the other resources of the stack."""

    def applies_to(self, resource_type: str) -> bool:
        return resource_type in self.types if self.types else not resource_type.startswith(NOT_RULED)

    def violations(self, resource: Resource, stack: Sequence[Resource] = ()) -> "list[Violation]":
        """Return the resource's violations of this rule; none while a preview does not know enough of it.

        `stack` are all resources of the stack, for a rule that needs them.
        """
        if not self.applies_to(resource.type):
            return []
        try:
            found = self.check(resource, stack)
            return [Violation(self, resource, part, advice) for part, advice in found if advice]
        except UnknownValueError:
            return []  # the deployment checks again


@dataclass(frozen=True)
class Violation:
    """A resource that violates a rule."""

    rule: Rule
    resource: Resource
    part: str
    """The Sid of the violating statement of a policy; empty for the whole resource."""
    advice: str
    """What to change."""

    @property
    def sentence(self) -> str:
        """Return the rule and what to change."""
        where = f"{self.part}: " if self.part else ""
        return f"{self.rule.control} ({self.rule.description.rstrip('.')}): {where}{self.advice}"


class Rules(list[Rule]):
    """The rules of a module. Its methods are decorators: the function's docstring becomes the rule's description."""

    def on(self, control: str, *types: str, source: str = SECURITY_HUB) -> Callable[[Check], Check]:
        """Add a rule over single resources of these types."""

        def add(function: Check) -> Check:
            def check(resource: Resource, _: Sequence[Resource]) -> list[tuple[str, str | None]]:
                return [("", function(resource))]

            self.append(Rule(control, function.__doc__ or "", source, frozenset(types), check))
            return function

        return add

    def on_stack(self, control: str, *types: str, source: str = SECURITY_HUB) -> Callable[[StackCheck], StackCheck]:
        """Add a rule over resources of these types that depends on the rest of the stack."""

        def add(function: StackCheck) -> StackCheck:
            def check(resource: Resource, stack: Sequence[Resource]) -> list[tuple[str, str | None]]:
                return [("", function(resource, stack))]

            self.append(Rule(control, function.__doc__ or "", source, frozenset(types), check, needs_stack=True))
            return function

        return add

    def on_statements(
        self, control: str, *inputs: PolicyInputs, source: str = SECURITY_HUB
    ) -> Callable[[StatementCheck], StatementCheck]:
        """Add a rule over each statement of the policy documents in these inputs."""

        def add(function: StatementCheck) -> StatementCheck:
            def check(resource: Resource, _: Sequence[Resource]) -> Iterator[tuple[str, str | None]]:
                for document in documents(resource, *inputs):
                    for statement in statements(document):
                        yield statement.get("Sid", ""), function(statement, resource)

            self.append(Rule(control, function.__doc__ or "", source, frozenset().union(*inputs), check))
            return function

        return add
