"""The code of Guo et al. (2024), and pytorch-fm, from which it took its embedding: one table of all fields."""

from collapse.io.families.family import Family

FAMILY = Family(
    name="the paper's code or pytorch-fm",
    size_setting="embed_dim of the model, of all fields",
    tables=(),
    fused=(
        r"embedding\.embedding\.weight",
        r"embeddings\.(?P<set>\d+)\.(?:0\.)?embedding\.weight",
        r"ffm\.embeddings\.(?P<target>\d+)\.weight",
    ),
    others={
        r"linear\.fc\.weight": "a number a value",
        r"embeddings\.\d+\.\d+\.mlp\..*": "a layer of a multi-layer perceptron",
    },
    projections=(
        r"cn\.W\.(?P<layer>\d+)(?:\.weight)?",
        r"cn\.0\.W\.(?P<layer>\d+)(?:\.weight)?",
        r"cns\.(?P<set>\d+)\.(?:0\.)?W\.(?P<layer>\d+)(?:\.weight)?",
    ),
    factors=(
        r"cn\.N\.(?P<layer>\d+)",
        r"cn\.0\.N\.(?P<layer>\d+)",
        r"cns\.(?P<set>\d+)\.(?:0\.)?N\.(?P<layer>\d+)",
    ),
)
