"""Types of bounded numbers. Settings and files are both checked against them by msgspec."""

import sys
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from collapse.errors import CollapseError

_LARGEST = (1 << 31) - 1
"""Upper bound of all counts in settings, so that the product of two counts fits in 64 bits."""

Count = Annotated[int, Meta(ge=1, le=_LARGEST)]
CountFrom0 = Annotated[int, Meta(ge=0, le=_LARGEST)]
CountFrom2 = Annotated[int, Meta(ge=2, le=_LARGEST)]
Cardinality = Annotated[int, Meta(ge=1)]
Index = Annotated[int, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, lt=1 << 32)]
"""Seeds that NumPy, SciPy and torch all accept."""
Positive = Annotated[float, Meta(gt=0, le=sys.float_info.max, description="positive and finite")]
NotNegative = Annotated[float, Meta(ge=0, le=sys.float_info.max, description="0 or positive, and finite")]
Dropped = Annotated[float, Meta(ge=0, lt=1, description="at least 0 and less than 1")]
"""A fraction that may be 0 but not 1."""
Fraction = Annotated[float, Meta(gt=0, le=1, description="greater than 0 and at most 1")]
"""A fraction that may be 1 but not 0."""

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def check(name: str, value: Any, hint: Any) -> None:
    """Check a value against its type.

    Parameters
    ----------
    name : str
        Name of the value, for the error message.
    value : Any
        The value.
    hint : type
        int, float, bool, str, a Literal, one of the types above, or a tuple or an optional of one of these.

    Raises
    ------
    CollapseError
        If the value has another type or is out of bounds.
    """
    arguments = get_args(hint)
    if value is None and type(None) in arguments:
        return
    if type(None) in arguments:
        hint = arguments[0]
    if get_origin(hint) is tuple and isinstance(value, tuple):
        for item in value:
            check(name, item, get_args(hint)[0])
        return
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        raise CollapseError(f"{name} must be {_requirement(value, hint)}, got {value!r}") from None


def _requirement(value: Any, hint: Any) -> str:
    """Return the bound that a value breaks, or the type that it must have."""
    if get_origin(hint) is Literal:
        *others, last = (f"'{choice}'" for choice in get_args(hint))
        return f"{', '.join(others)} or {last}" if others else last
    if get_origin(hint) is not Annotated:
        return KINDS.get(hint, str(hint))
    kind, bounds = get_args(hint)
    if isinstance(value, bool) or not isinstance(value, int | float if kind is float else kind):
        return KINDS[kind]
    if bounds.description:
        return str(bounds.description)
    if value < bounds.ge:
        return f"at least {bounds.ge}"
    return f"at most {bounds.le}" if bounds.le is not None else f"less than {bounds.lt}"
