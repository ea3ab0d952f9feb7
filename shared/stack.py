"""The running stack, as the programs of all layers see it."""

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
    """Names, tags, AWS provider and resource options of the running stack."""

    name: str
    environment: Environment
    region: str
    names: Names
    protect: bool
    expires: date | None = None

    @classmethod
    def current(cls, config: LayerConfig) -> Self:
        """Return the context of the stack that Pulumi runs."""
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
        """The ending of every name, as in `vpc-dev`."""
        return self.names.suffix

    @cached_property
    def provider(self) -> aws.Provider:
        """The AWS provider, with the region, the only account that it may change, and the tags of all resources."""
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
        """Options for every resource and component that has no parent."""
        return pulumi.ResourceOptions(provider=self.provider)

    def attached_to(self, role_id: pulumi.Input[str]) -> pulumi.ResourceOptions:
        """Options for a policy that is attached to another layer's role: made again when the role is.

        A new role of the same name has none of the old one's policies, and its name does not tell.
        """
        return pulumi.ResourceOptions(provider=self.provider, replacement_trigger=role_id)

    @cached_property
    def stateful(self) -> pulumi.ResourceOptions:
        """`opts` for resources that hold state: protected if the environment is."""
        return pulumi.ResourceOptions(provider=self.provider, protect=self.protect)

    @cached_property
    def caller(self) -> pulumi.Output[aws.GetCallerIdentityResult]:
        """The identity and account of whoever deploys."""
        return aws.get_caller_identity_output(opts=pulumi.InvokeOptions(provider=self.provider))

    @property
    def account_id(self) -> pulumi.Output[str]:
        """The account of the provider's credentials."""
        return self.caller.account_id

    def arn(self, service: str, resource: str, *, region: str | None = None) -> pulumi.Output[str]:
        """Return an ARN in this account, as `arn("logs", "log-group:…")`. Pass region "" for global services."""
        arn_region = self.region if region is None else region
        return pulumi.Output.concat(f"arn:aws:{service}:{arn_region}:", self.account_id, f":{resource}")

    def name_tag(self, resource_type: str) -> dict[str, str]:
        """Return the `Name` tag; the provider adds all other tags."""
        return {"Name": self.names.logical(resource_type)}
