"""Files of strangers: what they ask for is compared with what they hold, before any work."""

import tracemalloc
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from hostile_files import ARCHIVES, DEMANDS, NO_FILES
from models import make
from saved_faults import rewrite

import ehf_num as en
import ehf_sym as es
from ehf_num.reproduce.records import read_record, record_path, write_record

X = en.rings().sample(40, rng=0)
MEGABYTES = 100


@dataclass(frozen=True)
class Square:
    """A spec whose record is replaced."""

    side: float


def model(folder):
    path = folder / "model.npz"
    make("so2").fit(X, iterations=2, progress=False).save(path)
    return path, lambda: en.load(path)


def record(folder):
    write_record(folder, Square(2.0), {"x": X}, 0.5)
    return record_path(folder, Square(2.0)), lambda: read_record(folder, Square(2.0))


def checkpoint(folder):
    path = folder / "run.npz"
    options = {"iterations": 4, "checkpoint": path, "checkpoint_every": 2, "progress": False}
    make("so2").fit(X, **options)
    return path, lambda: make("so2").fit(X, **options)


def points(folder):
    path = folder / "points.npz"
    en.write_points(path, X)
    return path, lambda: en.read_points(path)


READERS = {"model": model, "record": record, "checkpoint": checkpoint, "points": points}


@contextmanager
def little_memory():
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MEGABYTES * 10**6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("hostile", ARCHIVES)
def test_archives_that_ask_for_more_than_they_hold_are_refused(reader, hostile, tmp_path):
    path, read = READERS[reader](tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two parts of one name
        ARCHIVES[hostile](path)
    with little_memory(), pytest.raises(es.EHFError, match=path.name):
        read()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("place", NO_FILES)
def test_what_is_no_file_is_refused_and_not_waited_for(reader, place, tmp_path):
    path, read = READERS[reader](tmp_path)
    NO_FILES[place](path)
    with little_memory(), pytest.raises((es.EHFError, OSError), match=f"{path.name}|/dev/zero"):
        read()


@pytest.mark.parametrize("demand", DEMANDS)
def test_a_header_may_not_ask_for_more_than_its_weights(demand, tmp_path):
    path, read = model(tmp_path)
    rewrite(path, DEMANDS[demand])
    with little_memory(), pytest.raises(en.ModelFileError, match=r"model\.npz cannot be rebuilt"):
        read()


@pytest.mark.parametrize("enforce", ["penalty", "exact", "none"])
@pytest.mark.parametrize("encoder", ["gaussian", "coupling"])
def test_no_model_of_ours_is_taken_for_a_bomb(enforce, encoder, tmp_path):
    for hidden in [(1,), (3,), (2, 5, 3)]:
        flow = make("so2", enforce=enforce, encoder=encoder, hidden=hidden, hamiltonians=3)
        for array in flow.weights:
            array[:] = 0  # packs best
        flow.save(tmp_path / "m.npz")
        assert en.load(tmp_path / "m.npz").settings == flow.settings


def test_points_that_pack_well_are_read(tmp_path):
    x = np.zeros((10**6, 2))
    np.savez_compressed(tmp_path / "x.npz", x)
    with np.load(tmp_path / "x.npz") as whole:
        np.testing.assert_array_equal(en.read_points(tmp_path / "x.npz"), whole["arr_0"])


def test_an_array_file_that_is_cut_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((10**6, 2)))
    with path.open("r+b") as handle:
        handle.truncate(15 * 10**6)
    with little_memory(), pytest.raises(en.DataFileError, match=r"shape \(1000000, 2\)"):
        en.read_points(path)


def test_a_result_that_is_none_is_refused(tmp_path):
    path, read = model(tmp_path)
    for change in ({"seconds": "x"}, {"iterations": None, "seconds": []}, {"stop_reason": {}}):
        rewrite(path, lambda header, change=change: header["result"].update(change))
        with pytest.raises(en.ModelFileError, match="history"):
            read()


HISTORIES = {
    "another length": lambda a: a.update(history_elbo=a["history_elbo"][:-1]),
    "no axis": lambda a: a.update(history_iteration=np.array(3)),
    "text": lambda a: a.update(history_elbo=np.array(["a", "b"])),
    "another width": lambda a: a.update(history_multipliers=a["history_multipliers"][:, :0]),
    "flat": lambda a: a.update(history_squared_brackets=a["history_elbo"]),
}


@pytest.mark.parametrize("fault", HISTORIES)
def test_a_history_whose_curves_do_not_fit_is_refused(fault, tmp_path):
    path, read = model(tmp_path)
    rewrite(path, HISTORIES[fault], header=False)
    with pytest.raises(en.ModelFileError, match="history"):
        read()
