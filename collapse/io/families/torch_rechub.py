"""torch-rechub: one table per field."""

from collapse.io.families.family import Family

FAMILY = Family(
    name="torch-rechub",
    size_setting="embed_dim of the field's SparseFeature",
    tables=(r"embedding\.embed_dict\.(?P<field>[^.]+)\.weight",),
    projections=(r"crossnet\.w\.(?P<layer>\d+)\.weight",),
)
