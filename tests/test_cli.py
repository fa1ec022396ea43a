"""The command line, end to end in temporary folders."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars
import pytest

from tests.conftest import Collapse

KEYS = ["field", "cardinality", "rows_trained", "near_zero", "ia", "ia_random", "ia_normalised", "k99", "verdict"]


@pytest.fixture
def checkpoint(trained: dict[str, Path], tmp_path: Path) -> Path:
    """Return a copy of a checkpoint in its own folder."""
    return Path(shutil.copy(trained["dcnv2-4"], tmp_path / "best.pt"))


class TestHelp:
    def test_it_does_not_wait_for_torch(self) -> None:
        script = "import sys; sys.argv = ['collapse', '--help']; from collapse.cli import main\ntry: main()\n"
        script += "except SystemExit: pass\nassert 'torch' not in sys.modules and 'numpy' not in sys.modules"
        subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)

    def test_version(self, collapse: Collapse) -> None:
        assert collapse("--version")[1].startswith("collapse 0.")


class TestTrain:
    def test_a_whole_run(self, small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
        out_folder = tmp_path / "run"
        words = ["train", "--data", small_data, "--embedding-size", 4, "--epochs", 2, "--out", out_folder]
        code, out, err = collapse(*words)
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert lines[0].startswith("dcnv2-4,epochs=2 on small: 2,400 training rows")
        assert [line[:8] for line in lines[1:3]] == ["epoch  1", "epoch  2"]
        assert "test AUC 0." in lines[3]
        assert lines[4] == f"next: collapse analyze {out_folder / 'best.pt'}"
        config = json.loads((out_folder / "config.json").read_text())
        assert config["model"]["embedding_size"] == 4
        code, out, _ = collapse(*words)
        assert code == 0
        assert "already finished, so there is nothing to resume" in out

    def test_resume_reads_the_settings_from_the_folder(
        self, small_data: Path, tmp_path: Path, collapse: Collapse
    ) -> None:
        words = ["--data", small_data, "--sets", 2, "--embedding-size", 3, "--epochs", 1, "--out", tmp_path]
        assert collapse("train", *words)[0] == 0
        assert collapse("train", "--resume", "--out", tmp_path)[0] == 0
        code, out, err = collapse("train", "--resume", "--sets", 3, "--out", tmp_path)
        assert (code, out.count("\n")) == (2, 1)
        assert "model.sets" in err

    def test_the_default_folder_tells_what_differs(
        self, small_data: Path, tmp_path: Path, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        words = ["--scale", 2, "--embedding-size", 2, "--epochs", 1, "--order-seed", 7, "-c", "depth=2"]
        assert collapse("train", "--data", small_data, *words)[0] == 0
        assert Path("runs/small-dcnv2-4,depth=2,epochs=1,order_seed=7/best.pt").exists()
        assert "already finished" in collapse("train", "--resume", "--data", small_data, *words)[1]

    @pytest.mark.parametrize(
        ("words", "name"),
        [
            (["--model", "ipnn"], "ipnn-10"),
            (["--model", "nfwfm", "--scale", 2], "nfwfm-100"),
            (["--model", "dcnv2-6x3,regularised=lambda"], "dcnv2-6x3,regularised=lambda"),
            (
                ["--model", "dcnv2-6x3", "--sets", 2, "--interactions", "shared"],
                "dcnv2-6x2,interactions=shared",
            ),
            (
                ["--model", "dcnv2-6", "--scale", 2, "-c", "depth=4", "-c", "hidden=8"],
                "dcnv2-12,hidden=8,depth=4",
            ),
            (["-c", "regularised=factor", "-c", "cross_layers=1"], "dcnv2-10,cross_layers=1,regularised=factor"),
            (
                ["--sets", 2, "--interactions", "aligned", "--alignment-weight", 0.5],
                "dcnv2-10x2,interactions=aligned,alignment_weight=0.5",
            ),
            (["-c", "dropout=0"], "dcnv2-10,dropout=0.0"),
        ],
    )
    def test_options_and_names_give_the_same_models(
        self, words: list[object], name: str, small_data: Path, tmp_path: Path, collapse: Collapse
    ) -> None:
        """A run started with options is recognised by its name, by --resume, and by its config.json."""
        folder = tmp_path / "run"
        common = ["train", "--data", small_data, "--epochs", 1, "--out", folder]
        code, out, err = collapse(*common, *words)
        assert (code, err) == (0, "")
        assert out.startswith(f"{name},epochs=1 on small")
        assert "already finished" in collapse(*common, "--model", name)[1]
        assert "already finished" in collapse(*common, "--resume", *words)[1]
        assert "already finished" in collapse("train", "--resume", "--out", folder)[1]
        config = ["--config", folder / "config.json"]
        assert "already finished" in collapse("train", *config, "--out", folder)[1]

    def test_a_configuration_is_a_start(self, small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
        """Options override it."""
        words = ["--data", small_data, "--model", "dnn-4x2", "--epochs", 1, "--threads", 1]
        assert collapse("train", *words, "--out", tmp_path / "a")[0] == 0
        config = ["--config", tmp_path / "a" / "config.json"]
        code, out, _ = collapse("train", *config, "--init-seed", 3, "-c", "hidden=9", "--out", tmp_path / "b")
        assert code == 0
        assert out.startswith("dnn-4x2,hidden=9,epochs=1,init_seed=3 on small")
        assert json.loads((tmp_path / "b" / "manifest.json").read_text())["threads"] == 1
        assert json.loads((tmp_path / "b" / "config.json").read_text())["model"]["embedding_size"] == 4
        scaled = ["--config", tmp_path / "a" / "config.json", "--scale", 2, "--out", tmp_path / "c"]
        assert collapse("train", *scaled)[1].startswith("dnn-20x2,epochs=1 on small")
        words = [tmp_path / "a" / "best.pt", tmp_path / "b" / "best.pt"]
        code, out, _ = collapse("analyze", *words, "--figure", 2, "--out", tmp_path)
        assert code == 0

    def test_models_complete_in_the_shell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        words = {
            "COMP_WORDS": "collapse train --model d",
            "COMP_CWORD": "3",
            "_COLLAPSE_COMPLETE": "bash_complete",
        }
        done = subprocess.run(
            [sys.executable, "-m", "collapse"],
            env={**os.environ, **words},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines() == ["plain,dcnv2", "plain,dnn"]

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--data", "nowhere"], "nowhere"),
            (["--model", "oracle"], "'oracle'"),
            (["--sets", "0"], "sets"),
            (["--model", "dcnv2-10x0"], "'dcnv2-10x0'"),
            (["--embedding-size", "-1"], "embedding_size"),
            (
                ["--model", "dnn", "-c", "cross_layers=2"],
                "'cross_layers'",
            ),
            (["-c", "cross_layer=2"], "cross_layers"),
            (["-c", "depth"], "key=value"),
            (["--interactions", "shared"], "sets"),
            (["--config", "nowhere.json"], "nowhere.json"),
            (["--learning-rate", "-1"], "learning_rate"),
            (["--learning-rate", "inf"], "learning_rate"),
            (["--weight-decay", "nan"], "weight_decay"),
            (["--split-seed", "-1"], "split_seed"),
            (["--device", "cuda:0"], "GPU"),
        ],
    )
    def test_bad_input_is_one_sentence_and_exit_code_2(
        self, words: list[str], sentence: str, small_data: Path, tmp_path: Path, collapse: Collapse
    ) -> None:
        data = [] if "--data" in words else ["--data", small_data]
        code, _, err = collapse("train", *data, *words, "--out", tmp_path / "run")
        assert code == 2
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert sentence in err
        assert not (tmp_path / "run").exists()


def test_models_lists_each_with_its_size(collapse: Collapse) -> None:
    code, out, err = collapse("models")
    assert (code, err) == (0, "")
    (dcnv2,) = [line for line in out.splitlines() if line.startswith("dcnv2 ")]
    assert "11.73 M" in dcnv2
    assert "92.1%" in dcnv2
    assert "x_{l+1} = x_0 * (W_l x_l + b_l) + x_l" in dcnv2
    assert "Wang et al., WWW 2021" in out
    listed = json.loads(collapse("models", "--json")[1])
    assert [model["model"] for model in listed] == sorted(model["model"] for model in listed)
    assert all(model["error"] is None and model["reference"] and model["formula"] for model in listed)


def test_a_model_is_described_with_its_settings(collapse: Collapse) -> None:
    code, out, err = collapse("models", "dcnv2")
    assert (code, err) == (0, "")
    assert "11,728,761 parameters, 92.1% of them in the embedding tables" in out
    assert "  cross_layers=4\n      Number of cross layers.\n" in out
    assert (
        "  regularised=no (no, lambda, factor)\n      Push projections W_ij towards multiples of unitary matrices"
        in out
    )
    assert json.loads(collapse("models", "ffm", "--json")[1])["settings"][0]["name"] == "linear"
    assert "'oracle'" in collapse("models", "oracle")[2]


@pytest.mark.parametrize(("chosen", "policy"), [(None, "passive"), ("active", "active")])
def test_threads_wait_without_spinning_unless_the_user_has_chosen(chosen: str | None, policy: str) -> None:
    script = "import os, sys; sys.argv = ['collapse', '--version']; from collapse.cli import main\n"
    script += "try: main()\nfinally: print(os.environ['OMP_WAIT_POLICY'])"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": chosen} if chosen else {}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == policy


class TestToy:
    """The toy experiment with its settings as options."""

    words = ("toy", "--cardinality", 20, "--iterations", 10, "--measure-every", 5, "--seeds", 2)

    def test_it_prints_both_cases_and_draws(self, tmp_path: Path, collapse: Collapse) -> None:
        code, out, err = collapse(*self.words, "--out", tmp_path)
        assert (code, err) == (0, "")
        assert [line.split(":")[0] for line in out.splitlines()[1:3]] == ["small", "large"]
        assert (tmp_path / "figure-4.png").exists()
        rows = list(csv.DictReader(collapse(*self.words, "--csv")[1].splitlines()))
        assert len(rows) == 2 * 2 * 3

    def test_bad_settings_are_refused(self, collapse: Collapse) -> None:
        code, _, err = collapse("toy", "--seeds", 0)
        assert code == 2
        assert "seeds" in err


def _head(lines: list[str]) -> int:
    """Return the line number of the table's head."""
    return next(number for number, line in enumerate(lines) if line.startswith("field "))


class TestAnalyze:
    def test_a_table_with_the_worst_first(self, checkpoint: Path, collapse: Collapse) -> None:
        code, out, err = collapse("analyze", checkpoint)
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert "of 3 fields are collapsed" in lines[0]
        assert lines[1].startswith("note: the model learned almost nothing")
        assert "dcnv2-4, K = 4" in lines[2]
        assert lines[-2].startswith("trained rows (3 of 348 rows were never looked up and are left out); ")
        assert lines[-1] == f"next: collapse report {checkpoint}"
        lines = lines[_head(lines) :]
        assert lines[0].split()[:3] == ["field", "D", "trained"]
        shares = [float(line.split()[6]) for line in lines[1:4]]
        assert shares == sorted(shares)

    def test_json_has_a_record_a_field_and_the_choices(self, checkpoint: Path, collapse: Collapse) -> None:
        code, out, _ = collapse("analyze", checkpoint, "--json", "--rows", "trained")
        assert code == 0
        found = json.loads(out)
        assert [record["field"] for record in found["fields"]] == ["colour", "shape", "customer"]
        assert all(set(KEYS) <= set(record) for record in found["fields"])
        assert found["choices"]["rows"] == "trained"
        assert found["checkpoints"][0]["model"] == "dcnv2-4"

    def test_csv_has_the_same_numbers(self, checkpoint: Path, collapse: Collapse) -> None:
        records = json.loads(collapse("analyze", checkpoint, "--json")[1])["fields"]
        rows = list(csv.DictReader(collapse("analyze", checkpoint, "--csv")[1].splitlines()))
        assert [float(row["ia"]) for row in rows] == pytest.approx([record["ia"] for record in records], rel=1e-12)
        assert set(KEYS) <= set(rows[0])

    def test_figures_lie_beside_the_checkpoint(self, checkpoint: Path, collapse: Collapse) -> None:
        words = ["analyze", checkpoint, "--figure", "1b", "--figure", "2", "--figure", "3", "--json"]
        code, out, err = collapse(*words)
        assert code == 0
        json.loads(out)
        names = {f"figure-{number}.{end}" for number in ("1b", "2", "3") for end in ("png", "pdf", "csv")}
        names |= {"figure-3-sums.csv", "figure-3-correlations.csv"}
        assert names == {path.name for path in checkpoint.parent.iterdir()} - {"best.pt"}
        assert err.count("wrote ") == 11

    def test_several_checkpoints_are_compared(
        self, trained: dict[str, Path], tmp_path: Path, collapse: Collapse
    ) -> None:
        words = [trained["dcnv2-4"], trained["dcnv2-8"], trained["dcnv2-4x2"]]
        code, out, _ = collapse("analyze", *words, "--figure", "1b", "--out", tmp_path / "new" / "folder")
        assert code == 0
        assert out.count("of 3 fields are collapsed") == 3
        assert (tmp_path / "new" / "folder" / "figure-1b.png").stat().st_size > 10_000

    def test_measures_are_chosen_and_sorted_by(self, checkpoint: Path, collapse: Collapse) -> None:
        records = json.loads(collapse("analyze", checkpoint, "--json")[1])["fields"]
        out = collapse("analyze", checkpoint, "--measure", "first_share", "--measure", "effective_rank")[1]
        lines = out.splitlines()
        head = _head(lines)
        assert lines[head].split() == ["field", "D", "first_share", "effective_rank", "verdict"]
        worst = sorted(records, key=lambda record: -record["first_share"])
        assert [line.split()[0] for line in lines[head + 1 : head + 4]] == [record["field"] for record in worst]

    def test_two_checkpoints_are_compared_field_by_field(
        self, trained: dict[str, Path], collapse: Collapse
    ) -> None:
        words = ["analyze", trained["dcnv2-8"], "--against", trained["dcnv2-4"]]
        code, out, _ = collapse(*words)
        assert code == 0
        assert f"{trained['dcnv2-8']} compared with {trained['dcnv2-4']}: ia_normalised is lower in" in out
        found = json.loads(collapse(*words, "--json")[1])
        assert [each["model"] for each in found["checkpoints"]] == ["dcnv2-8"]
        other = json.loads(collapse("analyze", trained["dcnv2-4"], "--json")[1])
        for here, there, both in zip(found["fields"], other["fields"], found["against"], strict=True):
            assert both["field"] == here["field"]
            assert both["ia_difference"] == pytest.approx(here["ia"] - there["ia"])

    def test_markdown_and_parquet_have_the_same_fields(
        self, checkpoint: Path, tmp_path: Path, collapse: Collapse
    ) -> None:
        records = json.loads(collapse("analyze", checkpoint, "--json")[1])["fields"]
        out = collapse("analyze", checkpoint, "--markdown", "--parquet", tmp_path / "fields.parquet")[1]
        rows = [line.split(" | ") for line in out.splitlines() if line.startswith("| ")]
        assert {row[0].removeprefix("| ") for row in rows[2:]} == {record["field"] for record in records}
        assert len({len(row) for row in rows}) == 1
        frame = polars.read_parquet(tmp_path / "fields.parquet")
        assert frame["ia"].to_list() == pytest.approx([record["ia"] for record in records])
        assert frame["checkpoint"].to_list() == [str(checkpoint)] * 3

    @pytest.mark.parametrize(
        ("condition", "code"),
        [
            ("ia_normalised < 0", 0),
            ("ia_normalised >= 0", 1),
            ("ia > 1 and not degree == 'collapsed'", 1),
            ("cardinality * 2 < 0 or near_zero > 1", 0),
        ],
    )
    def test_a_pipeline_can_fail_on_a_condition(
        self, condition: str, code: int, checkpoint: Path, collapse: Collapse
    ) -> None:
        found, _, err = collapse("analyze", checkpoint, "--fail-if", condition)
        assert found == code
        assert err == (f"{condition}: colour, shape, customer\n" if code else "")

    def test_timing_goes_to_standard_error(self, checkpoint: Path, collapse: Collapse) -> None:
        code, out, err = collapse("analyze", checkpoint, "--timing", "--json")
        assert code == 0
        json.loads(out)
        assert [line.split()[0] for line in err.splitlines()][1:3] == ["reading", "spectra"]

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--figure", "99"], "'99'"),
            (["--measure", "beauty"], "'beauty'"),
            (["--fail-if", "beauty < 1"], "'beauty'"),
            (["--fail-if", "ia"], "true"),
            (["--fail-if", "ia <"], "cannot be parsed"),
            (["--fail-if", "__import__('os').getcwd() == ''"], "arithmetic"),
            (["--fail-if", "(1).__class__ == 1"], "__class__"),
            (["--fail-if", "9**9**9**9 < ia"], "Pow"),
            (["--fail-if", "field < 3"], "field is a text"),
            (["--layer", "9", "--figure", "3"], "layer 9"),
            (["--json", "--csv"], "use only one of them"),
            (["nowhere.pt"], "nowhere.pt"),
        ],
    )
    def test_bad_input(self, words: list[str], sentence: str, checkpoint: Path, collapse: Collapse) -> None:
        code, _, err = collapse("analyze", checkpoint, *words)
        assert code == 2
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert sentence in err

    def test_figure_11_takes_a_text_model(self, checkpoint: Path, tmp_path: Path, collapse: Collapse) -> None:
        np.save(tmp_path / "text.npy", np.random.default_rng(0).standard_normal((40, 6)))
        words = ["--figure", "11", "--text-model", tmp_path / "text.npy", "--out", tmp_path]
        assert collapse("analyze", checkpoint, *words)[0] == 0
        rows = csv.DictReader((tmp_path / "figure-11.csv").read_text().splitlines())
        assert {row["label"] for row in rows} == {"DCNv2 SE 4", "text"}

    def test_table_2_has_a_row_a_model(self, trained: dict[str, Path], collapse: Collapse) -> None:
        words = [trained["dcnv2-4"], trained["dcnv2-4x2"], trained["dcnv2-8"]]
        out = collapse("analyze", *words, "--paper-table", "2")[1]
        assert "| model | data | 4 | 8 | 8, ME |" in out
        (row,) = [line for line in out.splitlines() if line.startswith("| dcnv2 | small |")]
        means = [
            np.mean(
                [field["ia"] for field in json.loads(collapse("analyze", trained[name], "--json")[1])["fields"]]
            )
            for name in ("dcnv2-4", "dcnv2-8", "dcnv2-4x2")
        ]
        assert [float(cell) for cell in row.split("|")[3:6]] == pytest.approx(means, abs=0.005)

    def test_no_checkpoint_at_all(self, collapse: Collapse) -> None:
        code, _, err = collapse("analyze")
        assert code == 2
        assert "Missing argument" in err


class TestABadTable:
    """A table with NaN is reported, the others are still measured, and the exit code is 2."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        random = np.random.default_rng(0)
        tables = {name: random.standard_normal((50, 8)) for name in ("user", "item", "shop")}
        tables["user"][37, 2], tables["shop"][3, 0] = np.nan, np.inf
        np.savez(tmp_path / "a.npz", **tables)  # type: ignore[arg-type] # NumPy's stub takes a bool alone
        return tmp_path / "a.npz"

    def test_analyze(self, file: Path, collapse: Collapse) -> None:
        code, out, err = collapse("analyze", file, "--csv")
        assert code == 2
        assert [row["field"] for row in csv.DictReader(out.splitlines())] == ["item"]
        assert all(word in err for word in ("'user'", "row 37", "'shop'", "row 3 ", "--skip"))
        assert err.count("\n") == 1
        code, out, err = collapse("analyze", file, "--json", "--fail-if", "ia > 1")
        assert (code, len(json.loads(out)["fields"]), "ia > 1: item" in err) == (2, 1, True)
        assert collapse("analyze", file, "--skip", "user|shop")[0] == 0

    def test_explain_and_report(self, file: Path, collapse: Collapse) -> None:
        assert collapse("explain", file, "item")[0] == 0
        code, _, err = collapse("explain", file, "user")
        assert (code, "row 37" in err) == (2, True)
        code, out, err = collapse("report", file)
        assert (code, "wrote" in out, "row 37" in err) == (2, True, True)
        assert "row 37 holds NaN" in (file.parent / "report.html").read_text()

    def test_all_of_them(self, file: Path, collapse: Collapse) -> None:
        code, out, err = collapse("analyze", file, "--skip", "item")
        assert (code, out, "row 37" in err) == (2, "", True)
