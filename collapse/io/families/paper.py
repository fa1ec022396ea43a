"""The code of Guo et al. (2024) and pytorch-fm, whose embedding it uses: one table for all fields."""

from collapse.io.families.family import ONE_NUMBER, Family

FAMILY = Family(
    name="the paper's code or pytorch-fm",
    size_setting="embed_dim of the model, for all fields",
    tables=(),
    fused=(
        r"embedding\.embedding\.weight",
        r"embeddings\.(?P<set>\d+)\.(?:0\.)?embedding\.weight",
        r"ffm\.embeddings\.(?P<target>\d+)\.weight",
        r"linear\.fc\.weight",  # of as many columns as the embeddings in pytorch-fm's PNN
    ),
    marks=(
        r"embedding\.embedding\.weight",
        r"embeddings\.\d+\.(?:0\.)?embedding\.weight",
        r"ffm\.embeddings\.\d+\.weight",
    ),
    others={
        r"linear\.fc\.weight": ONE_NUMBER,
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
