"""Schema of a prepared data set: its fields in order, their cardinalities, and the label."""

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
    """The N fields of a data set in order, with their cardinalities D_i.

    Ids of field i are in [0, D_i). Id 0 is the field's out-of-vocabulary row.
    """

    fields: tuple[str, ...]
    """Names of the fields, in the order of the columns of `PreparedData.ids`."""
    cardinalities: tuple[int, ...]
    """Rows D_i of each field's table, including the out-of-vocabulary row; at least 1."""
    name: str = "unnamed"
    """Name of the data set, as used in legends."""
    label: str = "label"
    """Meaning of label 1."""
    descriptions: tuple[str, ...] = ()
    """Description of each field; empty if unknown."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "descriptions", self.descriptions or ("",) * len(self.fields))
        if not len(self.fields) == len(self.cardinalities) == len(self.descriptions):
            raise ValueError("there are different numbers of fields, cardinalities and descriptions")
        if not self.fields or len(set(self.fields)) < len(self.fields):
            raise ValueError("there are no fields, or two with the same name")
        if min(self.cardinalities) < 1:
            raise ValueError("a cardinality is below 1")

    @property
    def offsets(self) -> NDArray[np.int64]:
        """First row of each field in one table that stacks them all, shape (N,)."""
        return np.cumsum((0, *self.cardinalities[:-1]), dtype=np.int64)

    @property
    def rows_total(self) -> int:
        """Total number of table rows, sum D_i."""
        return sum(self.cardinalities)

    def to_json(self) -> dict[str, Any]:
        """Return the content of `schema.json`.

        Returns
        -------
        dict
            Text and numbers only; `from_json` reads it.
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
        """Build a schema from the result of `to_json`.

        Parameters
        ----------
        content : Any
            The content.
        source : object
            The file it is from, for error messages.

        Raises
        ------
        CollapseError
            If the content has another form or format version, or is inconsistent.
        """
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CollapseError(f"{source} is not the schema of a prepared data set")
        if content.get("format_version") != FORMAT_VERSION:
            raise CollapseError(
                f"{source} has format version {content.get('format_version')}, but this release reads version "
                f"{FORMAT_VERSION}: prepare the data set again"
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
            raise CollapseError(f"{source} has no key {error}: prepare the data set again") from error
        except (TypeError, ValueError) as error:
            raise CollapseError(f"{source} is damaged ({error}): prepare the data set again") from error
