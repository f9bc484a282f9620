"""The documents say what is: their code runs, their links lead somewhere, their lists are whole."""

from __future__ import annotations

import ast
import doctest
import re
import runpy
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import ehf_num as en
from ehf_num import cli

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
EXAMPLES = sorted(DOCS.glob("examples/*.py"))
DOCUMENTS = [*PAGES, *ROOT.glob("*.md")]
MODULES = sorted(
    path
    for package in ("ehf_sym", "ehf_num")
    for path in (ROOT / package).rglob("*.py")
    if path.stem != "__init__"
)
# What a user may do without, and what few need and brings half a second of SciPy.
OPTIONAL = {"arviz_stats", "dask", "distributed", "jax", "pandas", "pyarrow", "torch", "zuko"}
DOCTEST_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def code_blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block, in order."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run_blocks(page: Path) -> None:
    """Run a page's Python from top to bottom in one namespace.

    Blocks marked ``python`` are executed; those marked ``pycon`` are doctests.
    """
    names: dict[str, object] = {}
    for number, (language, text) in enumerate(code_blocks(page)):
        name = f"{page.name}, block {number}"
        if language == "python":
            exec(compile(text, name, "exec"), names)
        elif language == "pycon":
            test = doctest.DocTestParser().get_doctest(text, names, name, None, None)
            report: list[str] = []
            runner = doctest.DocTestRunner(optionflags=DOCTEST_OPTIONS)
            runner.run(test, out=report.append, clear_globs=False)
            assert not runner.failures, "".join(report)
            names = test.globs


@pytest.fixture
def short_fits(monkeypatch, tmp_path) -> Iterator[None]:
    """Training of ten iterations, in a folder where files may be left."""
    fit = en.EquivariantHamiltonianFlow.fit

    def short_fit(self, x, **options):
        return fit(self, x, **options | {"iterations": 10, "progress": False})

    monkeypatch.setattr(en.EquivariantHamiltonianFlow, "fit", short_fit)
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


@pytest.mark.usefixtures("short_fits")
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_runs(page) -> None:
    run_blocks(page)


@pytest.mark.usefixtures("short_fits")
@pytest.mark.filterwarnings("ignore::ehf_num.LikelihoodWarning")  # ten iterations are not enough
@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_examples_run(example, monkeypatch) -> None:
    shown: list[int] = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(len(plt.gcf().axes)))
    runpy.run_path(str(example))
    assert shown
    assert min(shown) > 1


def test_the_picture_of_the_layout_has_every_module() -> None:
    layout = runpy.run_path(str(DOCS / "figures" / "layout.py"))
    blocks = layout["blocks"]()
    for package in ("ehf_sym", "ehf_num"):
        drawn = [
            f"{package}.{module.replace('/', '.')}"
            for block in blocks
            if block.package == package
            for module in block.modules
        ]
        assert drawn == plan_of_the_house(package)
    counted = {(a.title, b.title): n for (a, b), n in layout["imports"](blocks).items()}
    assert counted["the model", "diagnostics"] == 2  # model.diagnose, and what it returns
    assert all(blocks.index(b) < blocks.index(a) for a, b in layout["imports"](blocks))


def test_a_wrong_block_is_noticed(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```pycon\n>>> x\n2\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="Expected"):
        run_blocks(page)


def test_documented_commands_exist() -> None:
    parser = cli._parser()
    lines = [
        line
        for page in DOCUMENTS
        for language, text in code_blocks(page)
        if language == "sh"
        for line in re.findall(r"(?:^|/)ehf (.*)$", text, re.MULTILINE)
    ]
    assert len(lines) >= 5
    for line in lines:
        parser.parse_args(shlex.split(line))


@pytest.mark.parametrize("page", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(page) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def plan_of_the_house(package: str) -> list[str]:
    """Modules as dotted names, in the order of the plan."""
    text = (DOCS / "layout.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {package}:(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `([\w/]+)` \|", section[1], re.MULTILINE)
    return [f"{package}.{row.replace('/', '.')}" for row in rows]


def dotted(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts)


def imported_modules(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """What each import statement may mean, wherever it stands: names from long to short."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name,) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            yield from ((f"{node.module}.{alias.name}", node.module or "") for alias in node.names)


def deferred_imports(tree: ast.AST) -> Iterator[str]:
    """Packages that are imported inside functions, or for types alone."""
    for node in ast.walk(tree):
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if for_types or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (names[-1].split(".")[0] for names in imported_modules(node))


@pytest.mark.parametrize("package", ["ehf_sym", "ehf_num"])
def test_plan_of_the_house_names_every_module(package) -> None:
    modules = [dotted(path) for path in MODULES if path.is_relative_to(ROOT / package)]
    assert sorted(plan_of_the_house(package)) == sorted(modules)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_modules_import_from_above(module) -> None:
    """Those inside functions and for types included, so that there is no circle."""
    plan = plan_of_the_house("ehf_sym") + plan_of_the_house("ehf_num")
    above = plan[: plan.index(dotted(module))]
    statements = imported_modules(ast.parse(module.read_text(encoding="utf-8")))
    imported = {next((name for name in names if name in plan), None) for names in statements}
    assert not imported - {None, *above}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_only_optional_packages_are_imported_inside_functions(module) -> None:
    deferred = set(deferred_imports(ast.parse(module.read_text(encoding="utf-8"))))
    assert not deferred - OPTIONAL


def test_imports_are_seen_wherever_they_stand() -> None:
    source = """
        if typing.TYPE_CHECKING:
            from ehf_num.model import Model
        class A:
            def f(self):
                with lock:
                    import ehf_num.flow
        import ehf_num.base
    """
    tree = ast.parse(textwrap.dedent(source))
    assert {names[-1] for names in imported_modules(tree)} == {
        "ehf_num.model", "ehf_num.flow", "ehf_num.base",
    }  # fmt: skip
    assert list(deferred_imports(tree)) == ["ehf_num", "ehf_num"]


def test_lowest_versions_are_the_lower_bounds() -> None:
    """And there are no upper bounds: a new environment takes the newest releases."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = project["dependencies"] + extras["test"] + extras["docs"]
    bounds = dict(requirement.split(">=") for requirement in requirements)
    lines = (ROOT / ".ci" / "lowest.txt").read_text("utf-8").splitlines()
    # Of several lines on one package, the first is the bound: see the file's head.
    pins = dict(re.match(r"([\w-]+)==([\d.]+)", s).groups() for s in reversed(lines) if "==" in s)
    for package, bound in bounds.items():
        assert re.fullmatch(r"[\d.]+", bound), package
        assert f"{pins[package]}.".startswith(f"{bound}."), package


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {requirement.split(">=")[0] for requirement in project["dependencies"]}
    table = re.findall(
        r"^\| (\w[\w-]*) \|", (DOCS / "dependencies.md").read_text("utf-8"), re.MULTILINE
    )
    assert {name.lower() for name in table} == names | {"package"}
