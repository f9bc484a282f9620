"""Data frames and parquet files: names of columns through fit, sample, plots and files."""

import pickle
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

import ehf_num as en
from ehf_num.cli import main
from ehf_num.files.frames import as_frame, frame_kind
from ehf_num.files.table import DataFileError
from ehf_num.plotting import plot_density, plot_samples
from ehf_sym.errors import ArgumentError, DataWarning

TINY = {"hamiltonians": 2, "hidden": (8,), "max_iter": 6, "rng": 0}
NAMES = ["vx", "vy"]


def points(n=40):
    return 150 * np.random.default_rng(0).normal(size=(n, 2))


def frame_of(kind, x, names=NAMES):
    package = pytest.importorskip(kind)
    return package.DataFrame(dict(zip(names, x.T, strict=True)))


@pytest.fixture(scope="module", params=["pandas", "polars"])
def learned(request):
    """Return the kind of a frame, the frame, and a model that learned from it."""
    frame = frame_of(request.param, points())
    return request.param, frame, en.SymmetricDensity("so(2)", **TINY).fit(frame)


def test_a_frame_in_a_frame_out(learned, tmp_path):
    _, frame, model = learned
    drawn = model.sample(5, random_state=1)
    assert type(drawn) is type(frame)
    assert list(drawn.columns) == NAMES
    assert model.score_samples(drawn).shape == (5,)
    model.save(tmp_path / "model.npz")
    for again in (en.load(tmp_path / "model.npz"), pickle.loads(pickle.dumps(model))):
        same = again.sample(5, random_state=1)
        assert type(same) is type(frame)
        np.testing.assert_array_equal(np.asarray(same), np.asarray(drawn))
    plain = en.SymmetricDensity("so(2)", **TINY).fit(points()).sample(5, random_state=1)
    assert type(plain) is np.ndarray
    np.testing.assert_allclose(np.asarray(drawn), plain, rtol=1e-6)


def test_a_frame_s_columns_are_compared(learned):
    _, frame, model = learned
    with pytest.raises(ArgumentError, match="same order"):
        model.score_samples(frame[NAMES[::-1]])
    with pytest.warns(DataWarning, match="valid feature names"):
        model.score(points(3))


def test_plots_are_labeled_by_the_columns(learned):
    _, frame, model = learned
    box = (-400, 400, -400, 400)
    axes = (
        plot_samples(frame),
        plot_density(frame, resolution=9),
        plot_density(model.score_samples, extent=box, resolution=3),
    )
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in axes] == [tuple(NAMES)] * 3
    assert plot_samples(frame, labels=("a", "b")).get_xlabel() == "a"
    assert plot_samples(points()).get_xlabel() == "$q_1$"
    plt.close("all")


@pytest.mark.filterwarnings("ignore::ehf_num.inference.estimate.LikelihoodWarning")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_frame_s_columns_are_those_of_its_file(learned, suffix, tmp_path):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    _, frame, model = learned
    held_out, drawn = tmp_path / f"x{suffix}", tmp_path / f"drawn{suffix}"
    rows = np.column_stack([np.arange(40.0), points()[:, ::-1]])
    en.write_points(held_out, rows, columns=["star", "vy", "vx"])
    model.save(tmp_path / "model.npz")
    scores = tmp_path / "scores.csv"
    command = ["score", str(tmp_path / "model.npz"), str(held_out), "--out", str(scores)]
    assert main(command) == 0  # by their names, in whatever order they are there
    found = en.read_points(scores, usecols=["log_prob"])[:, 0]
    wanted = model.likelihood(frame, rng=0).values
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert main(["sample", str(tmp_path / "model.npz"), "-n", "3", "--out", str(drawn)]) == 0
    assert en.read_points(drawn, usecols=NAMES).shape == (3, 2)


def test_frames_without_names_of_columns_stay_frames():
    pandas = pytest.importorskip("pandas")
    model = en.SymmetricDensity("so(2)", **TINY).fit(pandas.DataFrame(points()))
    assert not hasattr(model, "feature_names_in_")
    assert list(model.sample(2).columns) == [0, 1]


def test_missing_entries_of_a_frame_are_named():
    pandas = pytest.importorskip("pandas")
    x = pandas.DataFrame({"vx": [1.0, None, 3.0], "vy": [1, 2, 3]}).convert_dtypes()
    with pytest.raises(ArgumentError, match=r"row 1, column 0 \(vx\)"):
        en.SymmetricDensity("so(2)", **TINY).fit(x)


def test_where_the_package_is_missing_an_array_is_returned(monkeypatch):
    for kind in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, kind, None)
        with pytest.warns(DataWarning, match=f"{kind}, .* is not installed"):
            assert as_frame(points(), NAMES, kind).shape == (40, 2)
    assert frame_kind(points()) is None


def test_a_model_whose_frame_is_unknown_loads(tmp_path):
    frame = frame_of("pandas", points())
    model = en.SymmetricDensity("so(2)", **TINY).fit(frame)
    model._frame = "os"  # as somebody may have written into a file
    model.save(tmp_path / "model.npz")
    assert type(en.load(tmp_path / "model.npz").sample(2)) is np.ndarray


def test_parquet_of_pandas_and_polars_is_read(tmp_path):
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    file = tmp_path / "x.parquet"
    x = points()
    for index in ([f"s{k}" for k in range(40)], np.arange(40) + 5):
        frame = pandas.DataFrame(x, columns=NAMES, index=pandas.Index(index, name="star"))
        frame.to_parquet(file)
        np.testing.assert_array_equal(en.read_points(file), x)
    frame_of("polars", x).write_parquet(file)
    np.testing.assert_array_equal(en.read_points(file, usecols=["vy"]), x[:, 1:])


@pytest.mark.parametrize(
    ("columns", "options", "told"),
    [
        ({"x": ["a", "b"], "y": [1, 2]}, {}, "column 'x' holds no real numbers; usecols="),
        ({"x": [1.0, None], "y": [1, 2]}, {}, "nan in row 1, column 0"),
        ({"x": [True, False]}, {}, "column 'x' holds no real numbers"),
        ({"x": [1, 2]}, {"usecols": ["z"]}, "no column 'z'"),
        ({"x": [1, 2]}, {"dim": 2}, r"shape \(2, 1\)"),
        ({}, {}, "no columns"),
    ],
)
def test_parquet_that_is_refused(columns, options, told, tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
    with pytest.raises(DataFileError, match=told):
        en.read_points(tmp_path / "x.parquet", **options)


def test_bad_rows_of_parquet_are_left_out(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"x": [1, None, 3], "y": [1.0, 2.0, float("inf")]})
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.warns(DataWarning, match=r"2 of 3 rows .*\(2 not finite\)"):
        found = en.read_points(tmp_path / "x.parquet", skip_bad_rows=True)
    np.testing.assert_array_equal(found, [[1, 1]])


def test_a_damaged_parquet_file_is_refused(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataFileError, match="cannot be read"):
        en.read_points(tmp_path / "x.parquet")


def test_without_pyarrow_and_pandas_the_extra_is_named(monkeypatch, tmp_path):
    for name in ("pyarrow", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
    file = tmp_path / "x.parquet"
    with pytest.raises(DataFileError, match=r"equivariant-hamiltonian-flows\[parquet\]"):
        en.write_points(file, points())
    file.write_bytes(b"PAR1")
    with pytest.raises(DataFileError, match=r"equivariant-hamiltonian-flows\[parquet\]"):
        en.read_points(file)


def test_pandas_with_an_engine_of_its_own_will_do(monkeypatch, tmp_path):
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    file, x = tmp_path / "x.parquet", points()
    en.write_points(file, x, columns=NAMES)
    read_whole = pandas.read_parquet(file)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(pandas, "read_parquet", lambda _: read_whole)
    np.testing.assert_array_equal(en.read_points(file, usecols=["vy", "vx"]), x[:, ::-1])


def test_no_package_of_frames_is_imported_unasked():
    code = "import sys, ehf_num.cli; print({'pandas', 'polars', 'pyarrow'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
