"""Sizes of fields in the forms that libraries take."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import yaml


@dataclass(frozen=True, kw_only=True)
class Recommended:
    """Recommended sizes of a model's fields."""

    columns: int
    """Embedding size K of the model, to which smaller embeddings are projected."""
    fields: Mapping[str, tuple[int, int]]
    """Cardinality D and size k of every field, by its name."""


def _plain(sizes: Recommended) -> str:
    return _yaml({field: size for field, (_, size) in sizes.fields.items()})


def _fuxictr(sizes: Recommended) -> str:
    """Write feature_cols of a dataset_config.yaml, with a projection to the common size."""
    cols = [
        {"name": field, "active": True, "dtype": "str", "type": "categorical", "embedding_dim": size}
        | ({"feature_encoder": f"nn.Linear({size}, {sizes.columns}, bias=False)"} if size < sizes.columns else {})
        for field, (_, size) in sizes.fields.items()
    ]
    return _yaml({"feature_cols": cols})


def _torchrec(sizes: Recommended) -> str:
    """Write the arguments of one EmbeddingBagConfig per field."""
    return _json(
        [
            {"name": f"t_{field}", "embedding_dim": size, "num_embeddings": D, "feature_names": [field]}
            for field, (D, size) in sizes.fields.items()
        ]
    )


def _nvtabular(sizes: Recommended) -> str:
    """Write what nvtabular.ops.get_embedding_sizes returns: cardinality and size by column."""
    return _json({field: list(each) for field, each in sizes.fields.items()})


FORMS: dict[str, Callable[[Recommended], str]] = {
    "yaml": _plain,
    "fuxictr": _fuxictr,
    "torchrec": _torchrec,
    "nvtabular": _nvtabular,
}
"""For each form a function that returns the content of the file."""


def _yaml(content: object) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
