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
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import ehf_num as en
from ehf_num.cli.command import command_parser

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
OPTIONAL = {
    "arviz_stats",
    "dask",
    "distributed",
    "jax",
    "pandas",
    "polars",
    "pyarrow",
    "sklearn",
    "torch",
    "zuko",
}
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
        asked = options.get("iterations", 15_000)
        iterations = asked if asked <= 300 else 10  # pages show what such short runs learn
        return fit(self, x, **options | {"iterations": iterations, "progress": False})

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
    drawn = [f"{b.package}.{module.replace('/', '.')}" for b in blocks for module in b.modules]
    assert sorted(drawn) == sorted(map(dotted, MODULES))
    counted = {(a.title, b.title): n for (a, b), n in layout["imports"](blocks).items()}
    assert counted["cli", "files"] >= 1
    assert all(blocks.index(b) < blocks.index(a) for a, b in layout["imports"](blocks))


def test_a_wrong_block_is_noticed(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```pycon\n>>> x\n2\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="Expected"):
        run_blocks(page)


def test_documented_commands_exist() -> None:
    parser = command_parser()
    lines = [
        line
        for page in DOCUMENTS
        for language, text in code_blocks(page)
        if language == "sh"
        for line in re.findall(r"(?:^|/)ehf (.*)$", text.replace("\\\n", " "), re.MULTILINE)
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
    """Rooms, in the order of the plan."""
    text = (DOCS / "layout.md").read_text(encoding="utf-8")
    section = text.split(f"## {package}:")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


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


def imports_of(module: Path) -> set[str]:
    """Modules of ours that a module imports, those inside functions and for types included."""
    ours = set(map(dotted, MODULES))
    statements = imported_modules(ast.parse(module.read_text(encoding="utf-8")))
    return {name for names in statements for name in names[:1] + names[1:] if name in ours}


@pytest.mark.parametrize("package", ["ehf_sym", "ehf_num"])
def test_plan_of_the_house_names_every_room(package) -> None:
    rooms = {path.relative_to(ROOT / package).parts[0] for path in MODULES if package in path.parts}
    assert sorted(plan_of_the_house(package)) == sorted(Path(room).stem for room in rooms)


def test_the_plan_fits_on_a_screen() -> None:
    assert len((DOCS / "layout.md").read_text(encoding="utf-8").splitlines()) <= 60


def test_no_floor_has_more_than_twelve_rooms() -> None:
    floors: dict[Path, set[str]] = {}
    for module in MODULES:
        for floor, room in pairwise([*reversed(module.parents), module]):
            if floor.is_relative_to(ROOT) and floor != ROOT:
                floors.setdefault(floor, set()).add(room.stem)
    crowded = {name_of(floor): len(rooms) for floor, rooms in floors.items() if len(rooms) > 12}
    assert not crowded


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_rooms_import_from_above(module) -> None:
    package, room, *_ = dotted(module).split(".")
    plan = [f"ehf_sym.{name}" for name in plan_of_the_house("ehf_sym")]
    plan += [f"ehf_num.{name}" for name in plan_of_the_house("ehf_num")]
    above = plan[: plan.index(f"{package}.{room}") + 1]
    assert not {".".join(name.split(".")[:2]) for name in imports_of(module)} - set(above)


def test_experiments_use_the_public_words() -> None:
    """All of `reproduce` but what `ehf_num` itself hands out, such as `sweep`."""
    room = "ehf_num.reproduce."
    handed_out = imports_of(ROOT / "ehf_num" / "__init__.py")
    experiments = [m for m in MODULES if dotted(m).startswith(room) and dotted(m) not in handed_out]
    assert len(experiments) > 20
    inner = {
        dotted(module): sorted(name for name in imports_of(module) if not name.startswith(room))
        for module in experiments
    }
    assert not {module: names for module, names in inner.items() if names}


def test_no_file_imports_itself_by_way_of_others() -> None:
    graph = {dotted(module): imports_of(module) for module in MODULES}
    list(TopologicalSorter(graph).static_order())  # raises CycleError where there is a circle


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_only_optional_packages_are_imported_inside_functions(module) -> None:
    deferred = set(deferred_imports(ast.parse(module.read_text(encoding="utf-8"))))
    assert not deferred - OPTIONAL


def test_imports_are_seen_wherever_they_stand() -> None:
    source = """
        if typing.TYPE_CHECKING:
            from ehf_num.model.model import Model
        class A:
            def f(self):
                with lock:
                    import ehf_num.hamiltonian.flow
        import ehf_num.densities.base
    """
    tree = ast.parse(textwrap.dedent(source))
    assert {names[-1] for names in imported_modules(tree)} == {
        "ehf_num.model.model", "ehf_num.hamiltonian.flow", "ehf_num.densities.base",
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
