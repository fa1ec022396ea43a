"""Files and folders are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from collapse.errors import CollapseError
from collapse.files import atomic_directory, atomic_write, explained, read_json, write_json


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestAtomicWrite:
    def test_the_old_content_stays_until_the_new_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"old")
        with atomic_write(path) as file:
            file.write(b"new")
            file.flush()
            assert path.read_bytes() == b"old"
        assert path.read_bytes() == b"new"
        assert names(tmp_path) == ["file"]

    def test_a_failure_leaves_everything_as_it_was(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"old")
        with pytest.raises(TypeError), atomic_write(path) as file:
            file.writelines([b"half", None])  # type: ignore[list-item]
        assert path.read_bytes() == b"old"
        assert names(tmp_path) == ["file"]

    def test_it_keeps_to_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0o027)
        try:
            with atomic_write(tmp_path / "file"):
                pass
        finally:
            os.umask(before)
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with (
            pytest.raises(CollapseError, match="nowhere/file"),
            atomic_write(tmp_path / "nowhere" / "file"),
        ):
            pass


class TestAtomicDirectory:
    def test_it_appears_whole(self, tmp_path: Path) -> None:
        with atomic_directory(tmp_path / "a" / "b") as folder:
            (folder / "file").write_text("x")
            assert not (tmp_path / "a" / "b").exists()
        assert names(tmp_path / "a" / "b") == ["file"]
        assert names(tmp_path / "a") == ["b"]

    def test_an_existing_one_is_replaced_only_when_asked(self, tmp_path: Path) -> None:
        target = tmp_path / "set"
        target.mkdir()
        (target / "old").write_text("x")
        with pytest.raises(CollapseError, match="exists already"), atomic_directory(target):
            pass
        with atomic_directory(target, overwrite=True) as folder:
            (folder / "new").write_text("x")
        assert names(target) == ["new"]
        assert names(tmp_path) == ["set"]

    def test_a_failure_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), atomic_directory(tmp_path / "set"):
            raise ZeroDivisionError
        assert names(tmp_path) == []


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(CollapseError, match="no space"),
        explained("write", tmp_path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_json_comes_back_and_bad_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"é": [1, None]})
    assert read_json(path) == {"é": [1, None]}
    path.write_text("{")
    with pytest.raises(CollapseError, match=r"a\.json .*JSON"):
        read_json(path)
    with pytest.raises(CollapseError, match=r"b\.json"):
        read_json(tmp_path / "b.json")
