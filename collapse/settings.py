"""Settings: frozen dataclasses that check themselves, and from which options, their help and names are made."""

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import docstring_parser

from collapse.errors import CollapseError

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def require(holds: bool, what: str) -> None:
    """Raise `what` as a CollapseError unless it holds."""
    if not holds:
        raise CollapseError(what)


def setting(default: Any, holds: Callable[[Any], bool], words: str, *, flag: str | None = None) -> Any:
    """Declare a field with its bounds.

    Parameters
    ----------
    default : Any
        Its default.
    holds : Callable[[Any], bool]
        Whether a value of the right type is one that it can have.
    words : str
        What such a value is, for the sentence that refuses another.
    flag : str, optional
        The name of its option, where that is not its own.

    Returns
    -------
    Any
        The field, for a dataclass.
    """
    return field(default=default, metadata={"holds": holds, "words": words, "flag": flag})


def count(default: int, *, at_least: int = 1) -> Any:
    """Declare a count that has a least value; nothing has as many as 2^31 of anything."""
    return setting(default, lambda value: at_least <= value < 1 << 31, f"a count from {at_least} to 2^31 - 1")


def positive(default: float) -> Any:
    """Declare a number that is greater than 0 and finite."""
    return setting(default, lambda value: 0 < value < math.inf, "greater than 0 and finite")


def not_negative(default: float) -> Any:
    """Declare a number that is 0 or greater and finite."""
    return setting(default, lambda value: 0 <= value < math.inf, "0 or greater and finite")


def fraction(default: float) -> Any:
    """Declare a share of a whole that is never all of it."""
    return setting(default, lambda value: 0 <= value < 1, "a share from 0 to less than 1")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a field of a `Settings` class is, for a command line."""

    name: str
    """The field's name."""
    flag: str
    """The name of its option, words joined by hyphens."""
    kind: type
    """int, float, bool or str."""
    choices: tuple[str, ...]
    """The texts that it can be; empty if it is no such choice."""
    default: Any
    """Its default."""
    help: str
    """Its docstring."""

    @property
    def key(self) -> str:
        """The option's name as a word: what sentences, labels and the option's value go by."""
        return _key(self.flag)

    def parsed(self, text: str) -> Any:
        """Read a value as `written` writes it.

        Raises
        ------
        CollapseError
            If the text is no value of the field's kind.
        """
        try:
            return {"true": True, "false": False}[text.lower()] if self.kind is bool else self.kind(text)
        except (ValueError, KeyError):
            raise CollapseError(f"{self.name} is {text!r}; it is {_KINDS[self.kind]}") from None


def written(value: Any) -> str:
    """Write a setting's value as one word."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A frozen dataclass, every field of which has a default, a docstring and, by `setting`, bounds."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for item in fields(self):
            value, hint = getattr(self, item.name), hints[item.name]
            name = _key(_flag(item))
            if get_origin(hint) is Literal:
                known = get_args(hint)
                require(value in known, f"{name} is {value!r}; it is one of {', '.join(known)}")
            elif hint in _KINDS:
                fits = isinstance(value, int | float if hint is float else hint)
                fits = fits and isinstance(value, bool) is (hint is bool)
                require(fits, f"{name} is {value!r}; it is {_KINDS[hint]}")
            if (holds := item.metadata.get("holds")) is not None:
                require(holds(value), f"{name} is {value!r}; it is {item.metadata['words']}")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as nested plain values."""
        return asdict(self)

    def differing(self) -> dict[str, Any]:
        """Return the settings that are not at their defaults, by option; nested ones are left out."""
        return {
            item.key: getattr(self, item.name)
            for item in settings_of(type(self))
            if getattr(self, item.name) != item.default
        }


def settings_of(kind: type[Settings]) -> tuple[Setting, ...]:
    """Describe the fields of a settings class; nested ones are left out.

    Parameters
    ----------
    kind : type of Settings
        The class.

    Returns
    -------
    tuple of Setting
        One a field, in the order of declaration.
    """
    hints, docs = get_type_hints(kind), _field_docs(kind)  # type: ignore[arg-type]
    found = []
    for item in fields(kind):
        hint = hints[item.name]
        choices = cast("tuple[str, ...]", get_args(hint)) if get_origin(hint) is Literal else ()
        if not choices and hint not in _KINDS:
            continue
        found.append(
            Setting(
                name=item.name,
                flag=_flag(item),
                kind=str if choices else hint,
                choices=choices,
                default=None if item.default is MISSING else item.default,
                help=docs.get(item.name, ""),
            )
        )
    return tuple(found)


def parse_word(known: Sequence[Setting], word: str, *, of: str) -> tuple[str, Any]:
    """Read ``key=value``.

    Parameters
    ----------
    known : sequence of Setting
        The settings that there are.
    word : str
        The text.
    of : str
        Whose settings they are, for the error.

    Returns
    -------
    key : str
        The field's name.
    value : Any
        Its value, of the field's type; its bounds are checked where the settings are built.

    Raises
    ------
    CollapseError
        If it is no such text, the key is not known, or the value is of another type.
    """
    key, equals, text = word.partition("=")
    require(bool(equals), f"{word!r} is no setting of {of}: write key=value, as in {of},{known[0].name}=...")
    require_known(known, [key], of=of)
    return key, next(item for item in known if item.name == key).parsed(text)


def require_known(known: Sequence[Setting], keys: Iterable[str], *, of: str) -> None:
    """Refuse a key that is none of `known`, naming those that there are and the one that may have been meant."""
    names = [item.name for item in known]
    for key in keys:
        meant = "".join(f"; was {close} meant?" for close in get_close_matches(key, names, n=1))
        require(key in names, f"{of} has no setting {key!r}: it has {', '.join(names)}{meant}")


def _flag(item: Field[Any]) -> str:
    return item.metadata.get("flag") or item.name.replace("_", "-")


def _key(flag: str) -> str:
    return flag.replace("-", "_")


@cache
def _field_docs(kind: type) -> dict[str, str]:
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        try:
            parsed = docstring_parser.parse_from_object(base)
        except (OSError, TypeError):
            # A class whose source is not at hand, such as one typed into a shell, has no field docstrings.
            continue
        docs |= {item.arg_name: inspect.cleandoc(item.description or "") for item in parsed.params}
    return {name: " ".join(text.split()) for name, text in docs.items()}
