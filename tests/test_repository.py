"""The rules of the repository: style, types, the direction of imports, one package in the wheel."""

import importlib
import subprocess
import sys
import zipfile
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import collapse

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sys.executable).parent


@pytest.mark.lint
@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "ruff", "check"],
        [sys.executable, "-m", "ruff", "format", "--check"],
        [sys.executable, "-m", "mypy"],
        [str(SCRIPTS / "lint-imports"), "--no-cache"],
    ],
    ids=["lint", "format", "types", "imports"],
)
def test_the_checks_pass(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.lint
def test_every_module_can_be_imported_first() -> None:
    """A circle of imports shows only in some orders of imports."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "collapse").rglob("*.py"))
        if path.name not in ("__main__.py", "regenerate.py")
    ]
    script = (
        "import importlib, os, sys\n"
        "import matplotlib.pyplot, numpy, pandas, polars, scipy.linalg, seaborn, torch\n"
        "for name in sys.argv[1:]:\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        try: importlib.import_module(name)\n"
        "        except BaseException as error: print(name, repr(error), flush=True)\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *modules], capture_output=True, text=True, check=True)
    assert done.stdout == ""


@pytest.mark.lint
def test_no_circle_of_imports() -> None:
    """Not even for types, or inside functions."""
    import grimp

    graph = grimp.build_graph("collapse", cache_dir=None)
    TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    ).prepare()


@pytest.mark.parametrize("link", ["training", "analysis", "figures"])
def test_the_root_links_lead_into_the_package(link: str) -> None:
    assert (ROOT / link).resolve() == ROOT / "collapse" / link


@pytest.mark.lint
def test_the_wheel_holds_the_package_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"collapse", "embedding_collapse"}
    assert "collapse/py.typed" in names
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "collapse").rglob("*.py")}
    assert modules <= set(names)


class TestPublicFace:
    def test_all_names_are_there_and_documented(self) -> None:
        for name in collapse.__all__:
            assert getattr(collapse, name).__doc__
        assert dir(collapse) == sorted(collapse.__all__)
        with pytest.raises(AttributeError, match="oracle"):
            getattr(collapse, "oracle")  # noqa: B009

    def test_importing_it_imports_nothing_heavy(self) -> None:
        script = "import sys, collapse; assert not {'torch', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", script], check=True)

    @pytest.mark.parametrize("name", ["abundance", "angles", "random_matrix", "spectra"])
    def test_the_examples_of_the_measures_run(self, name: str) -> None:
        import doctest

        module = importlib.import_module(f"collapse.measures.{name}")
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0
