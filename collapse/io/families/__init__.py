"""The libraries whose files are known, a file each: a table of the names of their tensors."""

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
"""In the order in which they are tried: the more particular names first."""
