"""Makes Lambda functions in an emulator."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from typing import Any

from tests.support.emulator import client
from tools.localcloud.ministack_adapter import ACCOUNT

ROLE = f"arn:aws:iam::{ACCOUNT}:role/function"
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}


def make_function(port: int, name: str, code: str, **given: Any) -> None:
    """Create a function of a module with a `handler`, under a role without policies, and wait until it is active."""
    roles, functions = client("iam", port), client("lambda", port)
    with suppress(roles.exceptions.EntityAlreadyExistsException):
        document = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        roles.create_role(RoleName="function", AssumeRolePolicyDocument=document)
    settings = {"Runtime": "python3.13", "Handler": "module.handler", "Role": ROLE, "Timeout": 10}
    functions.create_function(FunctionName=name, Code={"ZipFile": zipped(code)}, **(settings | given))
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})


def allow(port: int, *actions: str) -> None:
    """Let the role of the functions do something with all resources, and nothing else."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam", port).put_role_policy(RoleName="function", PolicyName="allowed", PolicyDocument=document)


def zipped(code: str) -> bytes:
    """Return a zip with the module `module`."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("module.py", code)
    return archive.getvalue()
