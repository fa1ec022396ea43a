"""TorchRec: named tables in one or several embedding (bag) collections."""

from collapse.io.families.family import Family

FAMILY = Family(
    name="TorchRec",
    size_setting="embedding_dim of the table's EmbeddingBagConfig",
    tables=(r"(?:embedding_bags|embeddings)\.(?P<field>[^.]*[^.\d][^.]*)\.weight",),
    projections=(r"kernels\.(?P<layer>\d+)",),
    low_rank=(r"W_kernels\.(?P<layer>\d+)", r"V_kernels\.(?P<layer>\d+)"),
    numbers_first=True,
)
