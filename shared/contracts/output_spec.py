"""What a contract says about one output."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Self, get_args, get_origin

from annotated_types import Len
from pulumi import Output
from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True)
class OutputSpec:
    """An output: its meaning, an example of its value, and the values it may have.

    A contract class writes description and example; `Contract.outputs` derives type and length.
    """

    description: str
    example: Any
    type: Any = None
    """The plain type, as the state has it: `list[str]` for `list[Output[str]]`."""
    length: int | None = None
    """The number of elements of a `list[Output[T]]`; None for every other output, an `Output[list[T]]` too."""

    @property
    def type_name(self) -> str:
        """Return the type as code writes it, as in `int` or `list[str]`."""
        return str(self.type) if get_origin(self.type) else str(self.type.__name__)

    def typed(self, annotation: Any) -> Self:
        """Return this spec with type and length derived from a field's annotation and the example.

        Raises:
            TypeError: the annotation is neither `Output[T]` nor `list[Output[T]]`.
        """
        if get_origin(annotation) is Output:
            return replace(self, type=get_args(annotation)[0])
        [element] = get_args(annotation) or [None]
        if get_origin(annotation) is list and get_origin(element) is Output:
            return replace(self, type=list[get_args(element)[0]], length=len(self.example))  # type: ignore[misc]
        raise TypeError(f"{annotation} is neither Output[T] nor list[Output[T]]")

    def fault(self, value: Any) -> str | None:
        """Return why the output may not have this value, without quoting the value; None if it may."""
        try:
            self._adapter.validate_python(value, strict=True)
        except ValidationError as error:
            return error.errors()[0]["msg"].lower()
        return None

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        expected: Any = self.type
        if self.length is not None:
            expected = Annotated[expected, Len(self.length, self.length)]
        return TypeAdapter(expected)
