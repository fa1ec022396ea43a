"""DLRM of Meta: a table a number; of quotients and remainders two; of mixed dimension one with a projection."""

from collapse.io.families.family import Family

FAMILY = Family(
    name="DLRM",
    size_setting="--arch-sparse-feature-size, of all fields",
    tables=(
        r"emb_l\.(?P<number>\d+)\.weight(?:_(?P<kind>q|r))?",
        r"emb_l\.(?P<number>\d+)\.embs\.weight",
    ),
    others={r"emb_l\.\d+\.proj\.weight": "maps the columns of a table of mixed dimension"},
)
