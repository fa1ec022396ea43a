"""RecBole: one table for all token fields, or tables of users and items; one table per sequence field."""

from collapse.io.families.family import Family

FAMILY = Family(
    name="RecBole",
    size_setting="embedding_size of the configuration, for all fields",
    package="recbole",
    tables=(
        r"(?P<field>\w+_embeddings?)\.weight",
        r"token_seq_embedding_table\.(?:(?:user|item)\.)?(?P<number>\d+)\.weight",
    ),
    fused=(
        r"token_embedding_table\.embedding\.weight",
        r"token_embedding_table\.(?P<kind>user|item)\.embedding\.weight",  # DIN, DIEN
    ),
    marks=(r"token_(?:seq_)?embedding_table\..*",),
    others={r"float_embedding_table\..*": "one row per numeric field"},
    projections=(r"cross_layer_w\.(?P<layer>\d+)",),
)
