"""Measurements along training."""

from pathlib import Path

import pytest

from collapse import diagnose
from collapse.analysis.dynamics import below_since, dynamics
from collapse.analysis.settings import AnalysisSettings
from collapse.errors import CollapseError
from collapse.io.load import load

HISTORY = """epoch,step,field,ia,ia_normalised
0,0,always,2,0.2
0,0,late,8,0.8
0,0,back,2,0.2
1,5,always,2,0.1
1,5,late,2,0.2
1,5,back,2,0.5
2,10,always,2,0.1
2,10,late,2,0.2
2,10,back,9,0.9
3,15,back,1,0.1
"""


def test_metrics_are_read_from_a_folder(trained: dict[str, Path]) -> None:
    folder = trained["dcnv2-4"].parent
    frame = dynamics(folder)
    assert frame["epoch"].tolist() == [1, 2]
    assert frame.equals(dynamics(folder / "metrics.csv"))


def test_bad_metrics_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(CollapseError, match="no such file"):
        dynamics(tmp_path)
    (tmp_path / "metrics.csv").write_text("epoch,train_loss\n1,0.5\n")
    with pytest.raises(CollapseError, match="'validation_auc'"):
        dynamics(tmp_path)
    (tmp_path / "metrics.csv").write_text("")
    with pytest.raises(CollapseError, match="is not a table of a run"):
        dynamics(tmp_path)


class TestBelowSince:
    """The epoch since which a field has stayed below a limit."""

    def test_epochs(self, tmp_path: Path) -> None:
        (tmp_path / "abundance.csv").write_text(HISTORY)
        path = tmp_path / "best.pt"
        assert below_since(path, 2, 0.3, rows="all") == {"always": 0, "late": 1}
        assert below_since(path, 3, 0.3, rows="all") == {"always": 0, "late": 1, "back": 3}
        assert below_since(path, 0, 0.3, rows="all") == {"always": 0, "back": 0}
        assert below_since(path, 2, 0.3, rows="trained") == {}

    def test_of_trained_rows(self, tmp_path: Path) -> None:
        lines = HISTORY.splitlines()
        adjusted = [0.9, 0.9, 0.9, 0.2, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9]
        rows = [f"{line},{value}" for line, value in zip(lines[1:], adjusted, strict=True)]
        (tmp_path / "abundance.csv").write_text("\n".join([f"{lines[0]},ia_adjusted", *rows]))
        assert below_since(tmp_path / "best.pt", 2, 0.3, rows="trained") == {"always": 1}

    def test_without_a_history(self, tmp_path: Path) -> None:
        assert below_since(tmp_path / "best.pt", 2, 0.3, rows="all") == {}

    def test_it_shows_in_the_verdict(self, trained: dict[str, Path], tmp_path: Path) -> None:
        """Only for the rows that the run measured."""
        path = tmp_path / "best.pt"
        path.write_bytes(trained["dcnv2-8"].read_bytes())
        rows = "".join(f"{epoch},{epoch},customer,7,{0.9 - 0.8 * epoch},0.1\n" for epoch in (0, 1, 2))
        (tmp_path / "abundance.csv").write_text("epoch,step,field,ia,ia_normalised,ia_adjusted\n" + rows)
        tables = load(path)
        E = tables.tables[2].E
        E[:] = 0.01 * E
        E[1] = 100
        (customer,) = diagnose(tables).query("field == 'customer'")["verdict"]
        assert customer.startswith("collapsed from the start")
        for settings, words in (
            (AnalysisSettings(rows="all"), "collapsed since epoch 1"),
            (AnalysisSettings(rows="frequency"), "collapsed: "),
            (AnalysisSettings(centred=True), "collapsed: "),
        ):
            (customer,) = diagnose(tables, settings=settings).query("field == 'customer'")["verdict"]
            assert customer.startswith(words)
