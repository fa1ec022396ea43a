"""Files and folders are written completely or not at all."""

import errno
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.files.atomic import atomic_directory, atomic_write
from collapse.files.json_file import parse_json, read_json, write_json
from collapse.files.opening import explain_os_errors, open_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def socket_at(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        yield


@contextmanager
def made(make: Callable[[], object]) -> Iterator[None]:
    make()
    yield


SPECIAL: dict[str, Callable[[Path], AbstractContextManager[None]]] = {
    "a pipe": lambda path: made(lambda: os.mkfifo(path)),
    "a device": lambda path: made(lambda: path.symlink_to("/dev/null")),
    "a socket": socket_at,
    "a folder": lambda path: made(path.mkdir),
    "a link to itself": lambda path: made(lambda: path.symlink_to(path.name)),
    "a link to nowhere": lambda path: made(lambda: path.symlink_to("nowhere/file")),
    "a file": lambda path: made(path.touch),
}


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

    def test_a_link_is_followed(self, tmp_path: Path) -> None:
        """The file that it points to is replaced completely, or created."""
        for name in ("there", "not yet"):
            link, target = tmp_path / f"{name} link", tmp_path / name
            if name == "there":
                target.write_bytes(b"old")
            link.symlink_to(target.name)
            with atomic_write(link) as file:
                file.write(b"new")
            assert link.is_symlink()
            assert target.read_bytes() == b"new"
        assert names(tmp_path) == ["not yet", "not yet link", "there", "there link"]

    @pytest.mark.parametrize("kind", [kind for kind in SPECIAL if kind != "a file"])
    def test_what_is_not_a_regular_file_is_not_replaced(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "special"
        with SPECIAL[kind](path):
            before = path.lstat().st_mode
            with pytest.raises(CollapseError, match=r"cannot write .*special: .*"), atomic_write(path):
                pass
            assert path.lstat().st_mode == before
            assert names(tmp_path) == ["special"]


class TestAtomicDirectory:
    def test_a_link_to_a_folder_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to("there")
        with atomic_directory(tmp_path / "link", overwrite=True) as folder:
            (folder / "new").write_text("x")
        assert (tmp_path / "link").is_symlink()
        assert names(tmp_path / "there") == ["new"]
        assert names(tmp_path) == ["link", "there"]

    @pytest.mark.parametrize("kind", ["a pipe", "a file", "a socket"])
    def test_what_is_not_a_folder_is_not_replaced(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "special"
        with SPECIAL[kind](path):
            for overwrite in (False, True):
                with (
                    pytest.raises(CollapseError, match=r"already exists|is not a folder"),
                    atomic_directory(path, overwrite=overwrite),
                ):
                    pass
            assert names(tmp_path) == ["special"]
            assert not path.is_dir()

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
        with pytest.raises(CollapseError, match="already exists"), atomic_directory(target):
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
        explain_os_errors("write", tmp_path),
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


@pytest.mark.parametrize("kind", [kind for kind in SPECIAL if kind != "a file"])
def test_what_is_not_a_regular_file_is_not_read(kind: str, tmp_path: Path) -> None:
    """They are refused at once: reading a pipe without a writer would wait, and a device may have no end."""
    path = tmp_path / "special"
    with SPECIAL[kind](path):
        with pytest.raises(CollapseError, match=r"cannot read .*special: "), open_file(path):
            pass
        with pytest.raises(CollapseError, match=r"cannot read .*special: "):
            read_json(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(JSON)
def test_json_is_read_as_python_reads_it(content: Any) -> None:
    assert parse_json(json.dumps(content).encode(), Path("a.json")) == content


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "not a JSON file"),
        ('{"\\ud800": 2}', "lone surrogate"),
        ('["\\udc00"]', "lone surrogate"),
        ('{"a": 1, "b": {"c": 2, "c": 3}}', "the key 'c' occurs twice in one object"),
        ('{"' + "a" * 10**6 + '": 1, "' + "a" * 10**6 + '": 2}', r"\(1,000,000 characters\) occurs twice"),
        ("", "not a JSON file"),
        ("\ufeff{}", "not a JSON file"),
        ("{'a': 1}", "not a JSON file"),
    ],
)
def test_json_of_others_gets_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(CollapseError, match=reason) as refused:
        parse_json(text.encode(), Path("a.json"))
    assert len(str(refused.value)) < 300


@given(st.binary())
def test_any_bytes_are_read_as_json_or_refused(content: bytes) -> None:
    try:
        expected = json.loads(content.decode())
    except (ValueError, RecursionError):
        with pytest.raises(CollapseError):
            parse_json(content, Path("a.json"))
    else:
        assert repr(parse_json(content, Path("a.json"))) == repr(expected)


def test_a_large_file_is_not_json_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collapse.files.json_file.MOST_BYTES", 10)
    (tmp_path / "a.json").write_text('{"a": [1, 2]}')
    with pytest.raises(CollapseError, match="is larger than"):
        read_json(tmp_path / "a.json")
