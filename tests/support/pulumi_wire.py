"""How Pulumi's SDK sends values to the engine: the only place in tests that uses private names of the SDK."""

from typing import Any

from pulumi.runtime.rpc import _special_secret_sig, _special_sig_key


def is_secret(value: Any) -> bool:
    """Return whether a value of a request to the engine, a `google.protobuf.Value`, is marked as secret."""
    mark = dict(value.struct_value.fields).get(_special_sig_key)
    return mark is not None and mark.string_value == _special_secret_sig
