"""Libraries whose files are recognised, one file per library with the name patterns of its tensors."""

from collapse.io.families import (
    deepctr_torch,
    dlrm,
    fuxictr,
    hugging_face,
    paper,
    recbole,
    torch_rechub,
    torchrec,
)
from collapse.io.families.family import Family

FAMILIES: tuple[Family, ...] = tuple(
    module.FAMILY
    for module in (fuxictr, deepctr_torch, torch_rechub, recbole, dlrm, hugging_face, torchrec, paper)
)
"""The families in the order in which they are tried, the most specific patterns first."""
