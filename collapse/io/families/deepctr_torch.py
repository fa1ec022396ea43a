"""DeepCTR-Torch: one table per field. In the cross layers' input, fields come before dense features."""

from collapse.io.families.family import ONE_NUMBER, Family

FAMILY = Family(
    name="DeepCTR-Torch",
    size_setting="embedding_dim of the field's SparseFeat",
    tables=(r"embedding_dict\.(?P<field>[^.]+)\.weight",),
    others={r"(?:.+\.)?linear_model\.embedding_dict\..*": ONE_NUMBER},
    projections=(r"crossnet\.kernels",),
)
