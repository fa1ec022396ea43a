"""DeepCTR-Torch: a table a field; the fields stand before the dense features in the cross layers' input."""

from collapse.io.families.family import Family

FAMILY = Family(
    name="DeepCTR-Torch",
    size_setting="embedding_dim of the field's SparseFeat",
    tables=(r"embedding_dict\.(?P<field>[^.]+)\.weight",),
    others={r"(?:.+\.)?linear_model\.embedding_dict\..*": "a number a value"},
    projections=(r"crossnet\.kernels",),
)
