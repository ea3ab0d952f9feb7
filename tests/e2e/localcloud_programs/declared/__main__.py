"""Declares the resources that a test lists in resources.json: name, type, inputs, options.

The text `${name}` stands for the id of an earlier resource, `{"secret": value}` for a secret.
"""

import json
from pathlib import Path
from typing import Any

import pulumi

declared = json.loads(Path(__file__).with_name("resources.json").read_text())
made: dict[str, pulumi.CustomResource] = {}


def value_of(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"secret"}:
            return pulumi.Output.secret(value["secret"])
        return {key: value_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [value_of(item) for item in value]
    if isinstance(value, str) and value.startswith("${"):
        return made[value[2:-1]].id
    return value


provider = pulumi.ProviderResource("aws", "aws", declared["provider"])
for each in declared["resources"]:
    name, kind, inputs = each["name"], each["type"], each["inputs"]
    opts = pulumi.ResourceOptions(provider=provider, **each.get("options", {}))
    made[name] = pulumi.CustomResource(kind, name, {key: value_of(item) for key, item in inputs.items()}, opts)
for call in declared["calls"]:
    invoke = pulumi.InvokeOutputOptions(provider=provider)
    answer = pulumi.runtime.invoke_output(call["function"], call["arguments"], invoke)
    pulumi.export(call["function"], answer)
