"""Which stack is running: its names, its provider with the tags, and the options that resources take."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Self

import pulumi
import pulumi_aws as aws

from shared.config import LayerConfig, region
from shared.environments import Environment, environment
from shared.graph import LAYERS, PRODUCT
from shared.names import Names


@dataclass(frozen=True)
class StackContext:
    """The identity of the running stack, from which names, tags and provider follow."""

    name: str
    environment: Environment
    region: str
    names: Names
    protect: bool
    expires: date | None = None

    @classmethod
    def current(cls, config: LayerConfig) -> Self:
        return cls(
            name=pulumi.get_project().removeprefix(f"{PRODUCT}-"),
            environment=environment(pulumi.get_stack()),
            region=region(),
            names=Names(config.environment_suffix),
            protect=config.protect,
            expires=config.expires,
        )

    @property
    def suffix(self) -> str:
        return self.names.suffix

    @cached_property
    def provider(self) -> aws.Provider:
        """The AWS provider of this layer: region, the accounts it may work in, tags on everything."""
        account = self.environment.account_id
        return aws.Provider(
            "aws",
            region=self.region,
            allowed_account_ids=[account] if account else None,
            default_tags={"tags": self._tags},
        )

    @property
    def _tags(self) -> dict[str, str]:
        tags = {
            "Project": PRODUCT,
            "Environment": self.suffix,
            "Layer": self.name,
            "Owner": LAYERS[self.name].owner,
            "ManagedBy": "Pulumi",
        }
        return tags | {"Expires": self.expires.isoformat()} if self.expires else tags

    @cached_property
    def opts(self) -> pulumi.ResourceOptions:
        """For every resource and component of the layer."""
        return pulumi.ResourceOptions(provider=self.provider)

    @cached_property
    def stateful(self) -> pulumi.ResourceOptions:
        """For resources that hold state: as `opts`, and protected where the environment is."""
        return pulumi.ResourceOptions(provider=self.provider, protect=self.protect)

    @cached_property
    def caller(self) -> pulumi.Output[aws.GetCallerIdentityResult]:
        """Who deploys, and in which account, asked of AWS."""
        return aws.get_caller_identity_output(opts=pulumi.InvokeOptions(provider=self.provider))

    @property
    def account_id(self) -> pulumi.Output[str]:
        """The account the provider works in."""
        return self.caller.account_id

    def arn(self, service: str, resource: str, *, region: str | None = None) -> pulumi.Output[str]:
        """The ARN of something of this account, as `arn("logs", "log-group:…")`; global services have region ""."""
        where = self.region if region is None else region
        return pulumi.Output.concat(f"arn:aws:{service}:{where}:", self.account_id, f":{resource}")

    def name_tag(self, resource_type: str) -> dict[str, str]:
        """The `Name` tag; all other tags come from the provider."""
        return {"Name": self.names.logical(resource_type)}
