"""Settings: frozen dataclasses that check themselves. Command-line options and model names are made from them."""

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import docstring_parser

from collapse import bounds
from collapse.errors import CollapseError


def require(holds: bool, what: str) -> None:
    """Raise a CollapseError with the message `what` unless `holds`."""
    if not holds:
        raise CollapseError(what)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Description of one field of a `Settings` class, for the command line."""

    name: str
    """Name of the field."""
    flag: str
    """Name of the option, with hyphens."""
    former_flag: str
    """Former name of the option, which is still accepted; empty if there is none."""
    kind: type
    """int, float, bool or str."""
    choices: tuple[str, ...]
    """Allowed values of a Literal; empty for other types."""
    default: Any
    """Default value."""
    help: str
    """Help text: the docstring of the field."""

    @property
    def key(self) -> str:
        """Name of the option with underscores, as used in messages and labels."""
        return _key(self.flag)

    def parsed(self, text: str) -> Any:
        """Parse a value that `written` formatted.

        Raises
        ------
        CollapseError
            If the text cannot be parsed as the field's type.
        """
        try:
            return {"true": True, "false": False}[text.lower()] if self.kind is bool else self.kind(text)
        except (ValueError, KeyError):
            raise CollapseError(f"{self.name} must be {bounds.KINDS[self.kind]}, got {text!r}") from None


def written(value: Any) -> str:
    """Format a setting's value as one word."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of frozen dataclasses that check the types of their fields (see `collapse.bounds`)."""

    def __post_init__(self) -> None:
        for item, hint in _checked(type(self)):  # type: ignore[arg-type]
            bounds.check(_key(_flag(item)), getattr(self, item.name), hint)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as nested plain values."""
        return asdict(self)

    def differing(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults, by option name, without nested settings."""
        return {
            item.key: getattr(self, item.name)
            for item in settings_of(type(self))
            if getattr(self, item.name) != item.default
        }


def settings_of(kind: type[Settings]) -> tuple[Setting, ...]:
    """Describe the fields of a settings class, without nested settings.

    Parameters
    ----------
    kind : type of Settings
        The class.

    Returns
    -------
    tuple of Setting
        One per field, in the order of declaration.
    """
    hints, docs = get_type_hints(kind), _field_docs(kind)  # type: ignore[arg-type]
    found = []
    for item in fields(kind):
        hint = hints[item.name]
        choices = cast("tuple[str, ...]", get_args(hint)) if get_origin(hint) is Literal else ()
        if not choices and hint not in bounds.KINDS:
            continue
        found.append(
            Setting(
                name=item.name,
                flag=_flag(item),
                former_flag=item.metadata.get("former", ""),
                kind=str if choices else hint,
                choices=choices,
                default=None if item.default is MISSING else item.default,
                help=docs.get(item.name, ""),
            )
        )
    return tuple(found)


def parse_word(known: Sequence[Setting], word: str, *, of: str) -> tuple[str, Any]:
    """Parse ``key=value``.

    Parameters
    ----------
    known : sequence of Setting
        All valid settings.
    word : str
        The text.
    of : str
        Name of the model that the settings belong to, for the error message.

    Returns
    -------
    key : str
        Name of the field.
    value : Any
        Value of the field's type. Its bounds are checked when the settings are built.

    Raises
    ------
    CollapseError
        If the text has another form, the key is unknown, or the value cannot be parsed.
    """
    key, equals, text = word.partition("=")
    require(
        bool(equals), f"cannot read the setting {word!r} of {of}: write key=value, as in {of},{known[0].name}=..."
    )
    require_known(known, [key], of=of)
    return key, next(item for item in known if item.name == key).parsed(text)


def require_known(known: Sequence[Setting], keys: Iterable[str], *, of: str) -> None:
    """Refuse unknown keys, with a list of the known ones and a suggestion."""
    names = [item.name for item in known]
    for key in keys:
        if key not in names:
            listed = ", ".join(names)
            raise CollapseError(f"{of} has no setting {key!r}; its settings are {listed}{meant(key, names)}")


def meant(name: str, known: Iterable[str]) -> str:
    """Return the question whether a similar known name was meant, for the end of a message; empty without one."""
    return "".join(f"; did you mean {close}?" for close in get_close_matches(name, list(known), n=1))


@cache
def _checked(kind: type[Settings]) -> list[tuple[Field[Any], Any]]:
    """Return the fields with their types, without nested settings, which check themselves."""
    hints = get_type_hints(kind, include_extras=True)
    nested = [name for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, Settings)]
    return [(item, hints[item.name]) for item in fields(kind) if item.name not in nested]


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
            # A class typed into a shell has no source, and so no field docstrings.
            continue
        docs |= {item.arg_name: inspect.cleandoc(item.description or "") for item in parsed.params}
    return {name: " ".join(text.split()) for name, text in docs.items()}
