"""Small files in the format of Avazu's train.csv."""

from pathlib import Path

import numpy as np

from collapse.training.data.sources.avazu import COLUMNS


def avazu_line(click: str = "0", **cells: str) -> str:
    """Return a line without its end: an hour, and "0" in all cells that are not given by name."""
    assert set(cells) <= set(COLUMNS)
    of_row = {"id": "1000009418151094273", "click": click, "hour": "14102100"} | cells
    return ",".join(of_row.get(name, "0") for name in COLUMNS)


def write_avazu(path: Path, *, rows: int = 300, seed: int = 0) -> Path:
    """Write random rows: clicks depend on the banner and the site, hours cover two days."""
    generator = np.random.default_rng(seed)
    lines = [",".join(COLUMNS)]
    for n in range(rows):
        cells = {name: f"{generator.integers(3 + 2 * i):08x}" for i, name in enumerate(COLUMNS[3:])}
        day, hour = divmod(int(generator.integers(48)), 24)
        banner, site = int(generator.integers(2)), int(generator.integers(5))
        click = generator.random() < 0.1 + 0.5 * ((banner + site) % 2)
        cells |= {"id": str(n), "hour": f"1410{21 + day}{hour:02d}"}
        cells |= {"banner_pos": str(banner), "site_id": str(site)}
        lines.append(avazu_line(str(int(click)), **cells))
    path.write_text("\n".join(lines) + "\n")
    return path
