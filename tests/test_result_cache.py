"""Results of the analysis that are cached with a checkpoint."""

from pathlib import Path

import pandas as pd
import pytest

from collapse.study import result_cache as module
from collapse.study.result_cache import FOLDER, cached_result, sha256_of_code


def test_only_the_same_question_finds_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another checkpoint, other settings, another name or changed code compute the result again."""
    checkpoint = tmp_path / "best.pt"
    checkpoint.write_bytes(b"a checkpoint")
    computed: list[None] = []

    def compute() -> pd.DataFrame:
        computed.append(None)
        return pd.DataFrame({"number": [len(computed)]})

    def number(name: str = "figure-5a", layer: int = 0) -> int:
        return int(cached_result(checkpoint, name, {"layer": layer}, compute)["number"].item())

    assert [number(), number()] == [1, 1]
    assert [number(layer=1), number("figure-16"), number()] == [2, 3, 1]
    with monkeypatch.context() as patch:
        patch.setattr(module, "sha256_of_code", lambda _: "of other code")
        assert [number(), number()] == [4, 4]
    assert number() == 1
    checkpoint.write_bytes(b"another checkpoint")
    assert number() == 5


def test_where_nothing_can_be_kept_it_is_computed_each_time(tmp_path: Path) -> None:
    (checkpoint := tmp_path / "best.pt").write_bytes(b"a checkpoint")
    (tmp_path / FOLDER).write_text("a file in the folder's place")
    computed = iter((1, 2))
    for expected in (1, 2):
        found = cached_result(checkpoint, "figure-2", {}, lambda: pd.DataFrame({"number": [next(computed)]}))
        assert found["number"].item() == expected


def test_a_digest_of_code_follows_names_and_contents(tmp_path: Path) -> None:
    """It does not depend on the package's folder."""
    digests = []
    for number, (name, text) in enumerate([("a", "1"), ("a", "1"), ("b", "1"), ("a", "2")]):
        folder = tmp_path / str(number) / "inner"
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text(text)
        digests.append(sha256_of_code(folder.parent))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
