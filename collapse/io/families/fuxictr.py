"""FuxiCTR: one table per field. A numeric field is a Linear layer of shape (K, 1)."""

from collapse.io.families.family import Family

_LAYERS = r"embedding_layer\.embedding_layers\.(?P<field>[^.]+)"

FAMILY = Family(
    name="FuxiCTR",
    size_setting="embedding_dim of the field in feature_cols of dataset_config.yaml",
    tables=(
        rf"embedding_layers\.(?P<target>\d+)\.{_LAYERS}\.weight",
        rf"embedding_layer\.{_LAYERS}\.weight",
        rf"{_LAYERS}\.weight",  # BST, DIN, DMR and other models of sequences
        rf"{_LAYERS}\.(?P<kind>pretrain_embedding|id_embedding)\.weight",
    ),
    others={
        r".*\.embedding_layers\.[^.]+\.proj\.weight": "maps the columns of a pretrained table",
        r"(?:.+\.)?pos(?:ition)?_emb(?:eddings?|s)?(?:\.weight)?": "positions in a sequence",
        r".*\.feature_encoders\..*": "encodes the looked-up embedding",
    },
    projections=(r"crossnet\.cross_layers\.(?P<layer>\d+)\.weight",),
    has_numeric=True,
    skips_target=True,
)
