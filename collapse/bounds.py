"""Types of numbers with their bounds, for `msgspec`: settings and files are checked by the same ones."""

import sys
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from collapse.errors import CollapseError

_LARGEST = (1 << 31) - 1
"""Nothing that is counted in settings has more, and every product of two such counts fits in 64 bits."""

Count = Annotated[int, Meta(ge=1, le=_LARGEST)]
CountFrom0 = Annotated[int, Meta(ge=0, le=_LARGEST)]
CountFrom2 = Annotated[int, Meta(ge=2, le=_LARGEST)]
Cardinality = Annotated[int, Meta(ge=1)]
Index = Annotated[int, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, lt=1 << 32)]
"""What NumPy, SciPy and torch all take."""
Positive = Annotated[float, Meta(gt=0, le=sys.float_info.max, description="positive and finite")]
NotNegative = Annotated[float, Meta(ge=0, le=sys.float_info.max, description="0 or positive, and finite")]
Dropped = Annotated[float, Meta(ge=0, lt=1, description="at least 0 and less than 1")]
"""A fraction that is not all."""
Fraction = Annotated[float, Meta(gt=0, le=1, description="greater than 0 and at most 1")]
"""A fraction that is not nothing."""

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def check(name: str, value: Any, hint: Any) -> None:
    """Check a value against its type.

    Parameters
    ----------
    name : str
        What the sentence calls it.
    value : Any
        The value.
    hint : type
        Its type: a number, text, a choice, one of those above, a tuple of one of these, or None.

    Raises
    ------
    CollapseError
        If it is of another type or breaks a bound.
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
    """Say which bound of its type a value breaks, or what type it must be."""
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
