"""A resource as the rules see it, in the engine and in tests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy.proxy import (
    UnknownValueError,  # not exported by the package; test_rules.py checks how it is raised
)

__all__ = ["PROVIDER", "Resource", "UnknownValueError", "default_tags", "provider_setting"]

PROVIDER = "pulumi:providers:aws"


@dataclass(frozen=True)
class Resource:
    """A resource as the engine is about to create it."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    """By Pulumi's names, as in `kmsKeyId`. In a preview, reading an unknown value raises UnknownValueError."""
    protect: bool = False
    """Pulumi's `protect`."""
    production: bool = True
    """Whether violations stop a deployment of the stack (`profile.is_production`)."""
    default_tags: Mapping[str, str] = field(default_factory=dict)
    """The default tags of the resource's provider."""
    accounts: frozenset[str] = frozenset()
    """The provider's allowed account ids; empty if the credentials decide."""
    property_dependencies: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    """Input -> type and name of the resources that its value comes from; known to rules over whole stacks only."""

    @property
    def suffix(self) -> str:
        """Return the environment suffix, which is one of the provider's tags."""
        return self.default_tags.get("Environment", "")

    @property
    def base_name(self) -> str:
        """Return the logical name without the suffix: `vpc` for `vpc-dev`."""
        return self.name.removesuffix(f"-{self.suffix}")

    def depends_on(self, other: "Resource", key: str) -> bool:
        """Return whether the value of the input `key` comes from another resource."""
        return (other.type, other.name) in self.property_dependencies.get(key, ())

    def get(self, key: str, default: Any = None) -> Any:
        """Return an input.

        Raises:
            UnknownValueError: the preview does not know it yet.
        """
        return self.inputs.get(key, default)

    def has(self, *keys: str) -> bool:
        """Return whether one of these inputs is set, known or not."""
        return not set(keys).isdisjoint(set(self.inputs))

    def has_own_key(self, key: str) -> bool:
        """Return whether the input `key` names a customer managed KMS key, not one that AWS manages."""
        try:
            value = self.get(key)
        except UnknownValueError:
            return True  # the key is a resource that is yet to be created; AWS managed keys are none
        return bool(value) and "alias/aws/" not in value


def default_tags(value: Any) -> dict[str, str]:
    """Return the tags in a provider's `defaultTags`."""
    settings = provider_setting(value)
    return dict(settings["tags"]) if settings else {}


def provider_setting(value: Any) -> Any:
    """Return a provider's setting, which the engine passes on as JSON text."""
    return json.loads(value) if isinstance(value, str) else value
