"""What the columns of a prepared data set are: fields in order, their tables' sizes, the label."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError

FORMAT = "collapse prepared data"
SCHEMA, MANIFEST = "schema.json", "manifest.json"
FORMAT_VERSION = 1
OOV_ID = 0


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The fields of a data set in order, N of them, and the cardinality D_i of each.

    Every id of field i lies in [0, D_i); id 0 is the field's one out-of-vocabulary row.
    """

    fields: tuple[str, ...]
    """The fields' names, in the order of the columns of `PreparedData.ids`."""
    cardinalities: tuple[int, ...]
    """D_i, the rows of each field's table, the out-of-vocabulary row included; at least 1."""
    name: str = "unnamed"
    """The data set's name, as it reads in a legend."""
    label: str = "label"
    """What a label of 1 means."""
    descriptions: tuple[str, ...] = ()
    """What each field holds; empty texts if not given."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "descriptions", self.descriptions or ("",) * len(self.fields))
        if not len(self.fields) == len(self.cardinalities) == len(self.descriptions):
            raise ValueError("fields, cardinalities and descriptions are not of the same number")
        if not self.fields or len(set(self.fields)) < len(self.fields):
            raise ValueError("there are no fields, or two of one name")
        if min(self.cardinalities) < 1:
            raise ValueError("a cardinality is below 1")

    @property
    def offsets(self) -> NDArray[np.int64]:
        """The first row of each field in one table that stacks them all, shape (N,)."""
        return np.cumsum((0, *self.cardinalities[:-1]), dtype=np.int64)

    @property
    def rows_total(self) -> int:
        """The rows of all tables together, sum D_i."""
        return sum(self.cardinalities)

    def to_json(self) -> dict[str, Any]:
        """Return what `schema.json` holds.

        Returns
        -------
        dict
            Text and numbers only; `from_json` takes it back.
        """
        columns = zip(self.fields, self.cardinalities, self.descriptions, strict=True)
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "label": self.label,
            "oov_id": OOV_ID,
            "fields": [{"name": n, "cardinality": c, "description": d} for n, c, d in columns],
        }

    @classmethod
    def from_json(cls, content: Any, *, source: object) -> "Schema":
        """Take back what `to_json` gave.

        Parameters
        ----------
        content : Any
            What was read.
        source : object
            The file it was read from, for the error message.

        Returns
        -------
        Schema
            The schema.

        Raises
        ------
        CollapseError
            If it is something else, of another format version, or inconsistent.
        """
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CollapseError(f"{source} is not the schema of a prepared data set")
        if content.get("format_version") != FORMAT_VERSION:
            raise CollapseError(
                f"{source} has format version {content.get('format_version')} where this release reads "
                f"version {FORMAT_VERSION}: prepare the data set again"
            )
        try:
            return cls(
                fields=tuple(str(field["name"]) for field in content["fields"]),
                cardinalities=tuple(int(field["cardinality"]) for field in content["fields"]),
                name=str(content["name"]),
                label=str(content["label"]),
                descriptions=tuple(str(field["description"]) for field in content["fields"]),
            )
        except KeyError as error:
            raise CollapseError(f"{source} lacks the key {error}: prepare the data set again") from error
        except (TypeError, ValueError) as error:
            raise CollapseError(f"{source} is damaged ({error}): prepare the data set again") from error
