"""DLRM of Meta: numbered tables; quotient and remainder tables; projections for mixed dimensions."""

from collapse.io.families.family import Family

FAMILY = Family(
    name="DLRM",
    size_setting="--arch-sparse-feature-size, for all fields",
    tables=(
        r"emb_l\.(?P<number>\d+)\.weight(?:_(?P<kind>q|r))?",
        r"emb_l\.(?P<number>\d+)\.embs\.weight",
    ),
    others={r"emb_l\.\d+\.proj\.weight": "maps the columns of a mixed-dimension table"},
)
