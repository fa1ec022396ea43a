"""Results for a checkpoint agree with slow computations on whole tables.

N fields, K columns, M sets, D rows.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from collapse import diagnose, load
from collapse.analysis.diagnosis import COLUMNS
from collapse.analysis.factorised import factorise
from collapse.analysis.normalised_spectra import normalised_spectra
from collapse.analysis.settings import PAPER, AnalysisSettings
from collapse.analysis.several import labels, readable
from collapse.analysis.sub_embeddings import Side, co_influence, sub_embedding_abundance
from collapse.analysis.verdicts import Degree, Evidence, degree, verdict
from collapse.errors import CollapseError
from collapse.io.field_maps import ColumnMaps, ProjectionMaps
from collapse.io.tables import EmbeddingTable, TableSet


def table_set(D: list[int], K: int, M: int, seed: int, layers: int = 1) -> TableSet:
    """Draw a checkpoint's content: tables of given cardinalities, and projections."""
    generator = np.random.default_rng(seed)
    N = len(D)
    return TableSet(
        name="drawn",
        source="drawn.pt",
        tables=tuple(
            EmbeddingTable(
                field=f"field {i}",
                E=generator.standard_normal((d, M * K)).astype(np.float32),
                sizes=(K,) * M,
                row_counts=generator.integers(0, 3, d),
            )
            for i, d in enumerate(D)
        ),
        field_maps=tuple(
            ProjectionMaps(W=generator.standard_normal((N * K, N * K)), sizes=(K,) * N, layer=layer, set=m)
            for m in range(M)
            for layer in range(layers)
        ),
    )


def abundance_twin(E: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> float:
    sigma = np.linalg.svd(E.astype(np.float64), compute_uv=False)
    return float(sigma.sum() / sigma.max())


class TestSubEmbeddings:
    @given(
        D=st.lists(st.sampled_from([1, 3, 50, 700]), min_size=1, max_size=4),
        K=st.integers(1, 5),
        M=st.integers(1, 3),
        seed=st.integers(0, 99),
    )
    @settings(max_examples=settings().max_examples // 2)
    def test_every_pair_is_an_svd_of_the_whole_product(self, D: list[int], K: int, M: int, seed: int) -> None:
        """E_i W_{i->j}^T, the sets side by side, with W_{i->j} cut out of W by hand: block [j, i]."""
        tables = table_set(D, K, M, seed)
        pairs = sub_embedding_abundance(factorise(tables, PAPER))
        assert len(pairs) == len(D) ** 2
        for row in pairs.itertuples():
            i, j = tables.fields.index(str(row.source)), tables.fields.index(str(row.target))
            products = []
            for m, maps in enumerate(tables.field_maps):
                assert isinstance(maps, ProjectionMaps)
                W_i_to_j = maps.W[j * K : (j + 1) * K, i * K : (i + 1) * K]
                products.append(tables.tables[i].set(m) @ W_i_to_j.T)
            assert row.ia == pytest.approx(abundance_twin(np.hstack(products)), rel=1e-8)
            assert row.ia_source == pytest.approx(abundance_twin(tables.tables[i].E), rel=1e-8)
            assert row.ia_target == pytest.approx(abundance_twin(tables.tables[j].E), rel=1e-8)

    def test_unitary_projections_preserve_abundance(self) -> None:
        """It is why Evidence III regularises towards unitary matrices."""
        tables = table_set([40, 60], 4, 1, seed=0)
        rotation = np.kron(np.ones((2, 2)), np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4))).Q)
        maps = ProjectionMaps(W=3 * rotation, sizes=(4, 4), layer=0, set=0)
        same = TableSet(name="", source="", tables=tables.tables, field_maps=(maps,))
        pairs = sub_embedding_abundance(factorise(same, AnalysisSettings()))
        np.testing.assert_allclose(pairs["ia"], pairs["ia_source"])

    def test_another_layer_can_be_taken_and_a_missing_one_is_named(self) -> None:
        factored = factorise(table_set([9, 8], 2, 1, seed=0, layers=2), AnalysisSettings())
        first, second = (sub_embedding_abundance(factored, layer=layer) for layer in (0, 1))
        assert not np.allclose(first["ia"], second["ia"])
        with pytest.raises(CollapseError, match=r"layer 2"):
            sub_embedding_abundance(factored, layer=2)

    def test_a_model_without_projections_is_told_what_would_serve(self) -> None:
        tables = table_set([9, 8], 2, 1, seed=0, layers=0)
        with pytest.raises(CollapseError, match="drawn.pt .*DCNv2"):
            sub_embedding_abundance(factorise(tables, AnalysisSettings()))

    def test_projections_that_are_not_finite_are_refused(self) -> None:
        tables = table_set([9, 8], 2, 2, seed=0)
        assert isinstance(tables.field_maps[1], ProjectionMaps)
        tables.field_maps[1].W[0, 1] = np.nan
        with pytest.raises(CollapseError, match=r"layer 0, set 1 .*drawn\.pt .*NaN"):
            sub_embedding_abundance(factorise(tables, AnalysisSettings()))

    def test_sums_and_their_correlation(self) -> None:
        factored = factorise(table_set([5, 9, 30, 100], 4, 1, seed=0), AnalysisSettings())
        pairs = sub_embedding_abundance(factored)
        matrix = pairs["ia"].to_numpy().reshape(4, 4)
        raw = pairs["ia_source"].to_numpy().reshape(4, 4)[:, 0]
        sides: tuple[tuple[Side, int], ...] = (("source", 1), ("target", 0))
        for by, axis in sides:
            sums, correlation = co_influence(pairs, by)
            order = np.argsort(raw)
            np.testing.assert_allclose(sums["ia"], raw[order])
            np.testing.assert_allclose(sums["sum"], matrix.sum(axis=axis)[order])
            assert correlation.pearson == pytest.approx(stats.pearsonr(raw, matrix.sum(axis=axis))[0])
            assert correlation.spearman == pytest.approx(stats.spearmanr(raw, matrix.sum(axis=axis))[0])
            others = matrix.sum(axis=axis) - np.diagonal(matrix)
            np.testing.assert_allclose(sums["sum_off_diagonal"], others[order])
            assert correlation.pearson_off_diagonal == pytest.approx(stats.pearsonr(raw, others)[0])
            assert correlation.spearman_off_diagonal == pytest.approx(stats.spearmanr(raw, others)[0])

    def test_p_values_are_those_of_permutations(self) -> None:
        """They are small for sums that follow the abundances, and uniform for sums without relation."""
        fields = [f"f{i}" for i in range(12)]
        ia = np.linspace(1, 5, 12)
        noise = np.random.default_rng(0).permutation(12)
        pairs = pd.DataFrame(
            [
                {"source": a, "target": b, "ia": x + z, "ia_source": x, "ia_target": y}
                for a, x in zip(fields, ia, strict=True)
                for b, y, z in zip(fields, ia, noise, strict=True)
            ]
        )
        follows, unrelated = (co_influence(pairs, by, permutations=999)[1] for by in get_args(Side))
        assert follows.pearson == pytest.approx(1)
        assert follows.spearman_p <= 0.005
        assert unrelated.pearson_p > 0.05
        with pytest.raises(ValueError, match="by must be 'source' or 'target'"):
            co_influence(pairs, "both")  # type: ignore[arg-type]

    def test_one_field_has_no_correlation(self) -> None:
        pairs = sub_embedding_abundance(factorise(table_set([5], 2, 1, seed=0), AnalysisSettings()))
        assert np.isnan(co_influence(pairs, "source")[1].pearson)


class TestFieldMaps:
    """Each field can have its own embedding size."""

    @given(
        sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 99), with_n=st.booleans()
    )
    def test_projections_between_fields_of_different_sizes(
        self, sizes: list[int], seed: int, with_n: bool
    ) -> None:
        generator = np.random.default_rng(seed)
        N, total = len(sizes), sum(sizes)
        W, n = generator.standard_normal((total, total)), generator.standard_normal((N, N))
        maps = ProjectionMaps(W=W, sizes=tuple(sizes), factors=n if with_n else None, layer=0, set=0)
        ends = np.cumsum(sizes)
        for i, K in enumerate(sizes):
            E = generator.standard_normal((7, K))
            subs = maps.sub_embeddings(i, E)
            for j, K_j in enumerate(sizes):
                block = W[ends[j] - K_j : ends[j], ends[i] - K : ends[i]] * (n[j, i] if with_n else 1)
                np.testing.assert_allclose(subs[j], E @ block.T)  # type: ignore[arg-type]
                np.testing.assert_allclose(maps.map(i, j), block.T)  # type: ignore[arg-type]

    def test_columns(self) -> None:
        maps = ColumnMaps(layer=0, set=0, blocks=((None, (0, 2)), ((1, 3), None)))
        E = np.arange(6.0).reshape(2, 3)
        first, second = maps.sub_embeddings(1, E)
        assert first is not None
        np.testing.assert_array_equal(first, E[:, 1:])
        assert second is None
        assert maps.map(0, 0) is None
        np.testing.assert_array_equal(maps.map(1, 0), [[0, 0], [1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dcnv2-40", "DCNv2 SE 40"),
        ("dcnv2-10x4", "DCNv2 ME 4 x 10"),
        ("nfwfm-50x4,depth=5", "NFwFM ME 4 x 50, depth=5"),
        ("DCNv2_Criteo", "DCNv2_Criteo"),
        ("mine-10", "mine-10"),
    ],
)
def test_names_as_people_write_them(name: str, words: str) -> None:
    assert readable(name) == words


class TestLabels:
    def tables(self, name: str, source: str, **settings: str) -> TableSet:
        table = EmbeddingTable(field="f", E=np.eye(3), sizes=(3,))
        keys = {key.replace("_", "."): value for key, value in settings.items()}
        return TableSet(name=name, source=source, tables=(table,), settings=keys)

    def test_what_differs_within_a_name_shows(self) -> None:
        """Only the differing settings appear."""
        runs = [
            self.tables("dcnv2-10", "a.pt", seeds_order="0", data="flights"),
            self.tables("dcnv2-10", "b.pt", seeds_order="1", data="flights"),
            self.tables("dnn-10", "c.pt", seeds_order="7", data="criteo"),
        ]
        assert labels(runs) == ["DCNv2 SE 10, order seed 0", "DCNv2 SE 10, order seed 1", "DNN SE 10"]

    def test_runs_that_differ_in_nothing_are_told_apart_by_their_files(self) -> None:
        runs = [self.tables("dcnv2-10", source) for source in ("a.pt", "b.pt", "b.pt")]
        assert labels(runs) == ["DCNv2 SE 10, a.pt", "DCNv2 SE 10, b.pt", "DCNv2 SE 10, b.pt (2)"]

    @given(runs=st.lists(st.tuples(*[st.sampled_from("ab")] * 4), min_size=1, max_size=6))
    def test_no_two_are_alike(self, runs: list[tuple[str, ...]]) -> None:
        found = labels([self.tables(a, b, x=c, y=d) for a, b, c, d in runs])
        assert len(set(found)) == len(runs)


class TestDiagnose:
    def test_each_number_of_a_trained_checkpoint(self, trained: dict[str, Path]) -> None:
        """Compared with slow computations on the tables of the checkpoint, with the sets side by side."""
        frame = diagnose(trained["dcnv2-4x2"], settings=PAPER)
        assert list(frame.columns) == list(COLUMNS)
        for row, table in zip(frame.itertuples(), load(trained["dcnv2-4x2"]), strict=True):
            assert (row.field, row.cardinality) == (table.field, len(table.E))
            assert table.row_counts is not None
            assert row.rows_trained == np.count_nonzero(table.row_counts)
            assert row.ia == pytest.approx(abundance_twin(table.E), rel=1e-9)
            assert row.ia_normalised == pytest.approx(row.ia / row.ia_random)  # type: ignore[operator]
            assert row.ia_per_k == pytest.approx(row.ia / 8)  # type: ignore[operator]
            sigma = np.linalg.svd(table.E.astype(np.float64), compute_uv=False)
            shares = np.cumsum(sigma**2) / (sigma**2).sum()
            assert row.k99 == np.flatnonzero(shares >= 0.99)[0] + 1
            norms = np.linalg.norm(table.E.astype(np.float64), axis=1)
            assert row.near_zero == pytest.approx(np.mean(norms < 1e-3 * norms.max()))

    def test_trained_rows_alone_by_default(self, trained: dict[str, Path]) -> None:
        """They give other numbers than all rows, equal to a slow computation, and the setting is recorded."""
        frame = diagnose(trained["dcnv2-4"])
        assert frame.attrs["choices"]["rows"] == "trained"
        assert frame.attrs["choices"]["row_counts"] == "known"
        for ia, table in zip(frame["ia"], load(trained["dcnv2-4"]), strict=True):
            assert table.row_counts is not None
            assert ia == pytest.approx(abundance_twin(table.E[table.row_counts > 0]), rel=1e-9)

    def test_an_unknown_row_count_stays_unknown(self) -> None:
        table = EmbeddingTable(field="f", E=np.eye(3), sizes=(3,))
        tables = TableSet(name="n", source="n.pt", tables=(table,))
        found = diagnose(tables)
        assert found["rows_trained"].isna().all()
        assert found.attrs["choices"]["row_counts"] == "not known"
        with pytest.raises(CollapseError, match="n.pt .*--row-counts"):
            diagnose(tables, settings=AnalysisSettings(rows="frequency"))

    def test_nan_is_refused_with_field_and_row(self) -> None:
        E = np.ones((4, 2))
        E[3, 1] = np.nan
        tables = TableSet(name="n", source="n.pt", tables=(EmbeddingTable(field="shop", E=E, sizes=(2,)),))
        with pytest.raises(CollapseError, match="'shop' .*n.pt.* row 3 .*NaN"):
            diagnose(tables)

    def test_a_table_of_zeros_is_called_empty(self) -> None:
        tables = TableSet(name="n", source="", tables=(EmbeddingTable(field="f", E=np.zeros((9, 2)), sizes=(2,)),))
        record = diagnose(tables).iloc[0]
        assert (record["ia"], record["k99"], record["near_zero"]) == (0, 0, 1)
        assert record["verdict"] == "not judged: every entry is zero"

    @pytest.mark.parametrize("wrong", [{"rows": "some"}, {"near_zero": -1}, {"draws": 98}])
    def test_settings_are_checked(self, wrong: dict[str, object]) -> None:
        with pytest.raises(CollapseError):
            AnalysisSettings(**wrong)  # type: ignore[arg-type]


class TestVerdict:
    """The deciding measure, and fields that cannot be judged."""

    evidence = Evidence(
        adjusted=0.2,
        is_rare=True,
        rows=100,
        columns=10,
        is_zero=False,
        rows_of_norm=100,
        adjusted_of_norm=0.2,
        is_rare_of_norm=True,
    )

    @pytest.mark.parametrize(
        ("adjusted", "word"), [(0.0, "collapsed"), (0.29, "collapsed"), (0.3, "partly"), (0.6, "spread out")]
    )
    def test_degrees(self, adjusted: float, word: str) -> None:
        assert verdict(replace(self.evidence, adjusted=adjusted, adjusted_of_norm=adjusted)).startswith(word)

    def test_what_random_tables_have_too_is_not_called_collapsed(self) -> None:
        evidence = replace(self.evidence, is_rare=False, adjusted=0.1)
        assert degree(evidence) is Degree.SPREAD
        assert "100 x 10" in verdict(evidence)

    def test_rows_near_zero_carry_nothing(self) -> None:
        """Ten rows of full rank keep their abundance next to fifty rows of zeros."""
        evidence = replace(self.evidence, rows_of_norm=10, adjusted_of_norm=0.97, is_rare_of_norm=False)
        assert verdict(evidence) == "spread out: 0.97 for the 10 rows that are not near zero"

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"rows": 1, "rows_of_norm": 1}, "1 row cannot"),
            ({"rows_of_norm": 2}, "2 rows that are not zero"),
            ({"columns": 1}, "single column"),
            ({"is_zero": True}, "zero"),
            ({"never_trained": True}, "training looked up none"),
        ],
    )
    def test_what_cannot_be_judged_says_why(self, change: dict[str, Any], reason: str) -> None:
        evidence = replace(self.evidence, **change)
        assert degree(evidence) is Degree.NOT_JUDGED
        assert reason in verdict(evidence)


class TestSpectra:
    def test_every_field_has_its_singular_values(self, trained: dict[str, Path]) -> None:
        frame = normalised_spectra(factorise(load(trained["dcnv2-8"]), PAPER))
        for table in load(trained["dcnv2-8"]):
            of_field = frame[frame["field"] == table.field]
            twin = np.linalg.svd(table.E.astype(np.float64), compute_uv=False)
            np.testing.assert_allclose(of_field["sigma"], twin, rtol=1e-9, atol=1e-14)
            np.testing.assert_allclose(of_field["sigma_normalised"], twin / twin[0], rtol=1e-9, atol=1e-14)
            assert of_field["k"].tolist() == list(range(1, min(table.E.shape) + 1))


class TestTables:
    """Tables that do not fit together are refused."""

    def test_sets_are_columns(self) -> None:
        table = EmbeddingTable(field="f", E=np.arange(12).reshape(2, 6), sizes=(2, 1, 3))
        assert table.sets == 3
        np.testing.assert_array_equal(table.set(1), [[2], [8]])
        np.testing.assert_array_equal(table.set(2), [[3, 4, 5], [9, 10, 11]])

    @pytest.mark.parametrize(
        "wrong",
        [
            {"E": np.zeros(3)},
            {"E": np.zeros((0, 3))},
            {"sizes": (2, 2)},
            {"sizes": ()},
            {"sizes": (3, 0)},
            {"row_counts": np.zeros(5, dtype=np.int64)},
        ],
    )
    def test_misfits(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValueError, match="field 'f'"):
            EmbeddingTable(**{"field": "f", "E": np.zeros((4, 3)), "sizes": (3,), **wrong})  # type: ignore[arg-type]

    def test_weights_of_another_shape(self) -> None:
        with pytest.raises(ValueError, match=r"\(5, 5\) .*4 columns"):
            ProjectionMaps(W=np.zeros((5, 5)), sizes=(2, 2), layer=0, set=0)
        with pytest.raises(ValueError, match="2 fields"):
            ProjectionMaps(W=np.zeros((4, 4)), sizes=(2, 2), factors=np.ones((3, 3)), layer=0, set=0)


def test_loading_maps_the_file_and_takes_every_table_in_order(trained: dict[str, Path]) -> None:
    tables = load(str(trained["dcnv2-4x2"]))
    assert tables.fields == ("colour", "shape", "customer")
    assert [len(table.E) for table in tables] == [6, 41, 301]
    assert (tables.sets, tables.sizes, len(tables.field_maps)) == (2, (4,), 2 * 4)
    assert [maps.set for maps in tables.layer(3)] == [0, 1]
    assert isinstance(diagnose(tables), pd.DataFrame)
