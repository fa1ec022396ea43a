"""Settings: frozen dataclasses that check themselves, and from which options, their help and names are made."""

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
    """Raise `what` as a CollapseError unless it holds."""
    if not holds:
        raise CollapseError(what)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a field of a `Settings` class is, for a command line."""

    name: str
    """The field's name."""
    flag: str
    """The name of its option, words joined by hyphens."""
    former_flag: str
    """A name that its option had before, and still answers to; empty without one."""
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
            raise CollapseError(f"{self.name} must be {bounds.KINDS[self.kind]}, got {text!r}") from None


def written(value: Any) -> str:
    """Write a setting's value as one word."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A frozen dataclass whose fields have docstrings, and types such as those of `collapse.bounds`."""

    def __post_init__(self) -> None:
        for item, hint in _checked(type(self)):  # type: ignore[arg-type]
            bounds.check(_key(_flag(item)), getattr(self, item.name), hint)

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
            # A class whose source is not at hand, such as one typed into a shell, has no field docstrings.
            continue
        docs |= {item.arg_name: inspect.cleandoc(item.description or "") for item in parsed.params}
    return {name: " ".join(text.split()) for name, text in docs.items()}
