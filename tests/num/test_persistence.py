"""Saved models: bit-equal when read back, refused when damaged, nothing executed."""

import os
import zipfile

import numpy as np
import pytest
from models import CASES, make
from saved_faults import ARRAY_FAULTS, HEADER_FAULTS, rewrite

import ehf_num as en
import ehf_sym as es

X = en.rings().sample(40, rng=0)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.npz"
    make("so2").fit(X, iterations=4, progress=False).save(path)
    return path


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_are_bit_equal(case, dtype, tmp_path):
    flow = make(case, dtype=dtype, hamiltonians=2, kappa=0.02, step_size=0.3)
    flow.save(tmp_path / "m.npz")
    again = en.load(tmp_path / "m.npz")
    x = np.random.default_rng(0).standard_normal((9, flow.dim))
    for name in ("elbo", "log_prob"):
        np.testing.assert_array_equal(getattr(again, name)(x), getattr(flow, name)(x))
    np.testing.assert_array_equal(again.sample(9, rng=1), flow.sample(9, rng=1))
    assert again.settings == flow.settings
    assert again.base == flow.base
    assert again.base.name == flow.base.name
    assert again.symmetry == flow.symmetry
    assert (again.report is None) == (flow.symmetry is None)


def test_training_goes_on_bit_equal(saved):
    first, second = en.load(saved), en.load(saved)
    first.fit(X, iterations=6, progress=False)
    second.fit(X, iterations=6, progress=False)
    np.testing.assert_array_equal(first.sample(4, rng=0), second.sample(4, rng=0))


def test_loaded_model_trains_as_the_saved_one_would(tmp_path):
    flow = make("so2").fit(X, iterations=4, progress=False)
    flow.save(tmp_path / "m.npz")
    again = en.load(tmp_path / "m.npz").fit(X, iterations=6, progress=False)
    flow.fit(X, iterations=6, progress=False)
    for ours, theirs in zip(again.weights, flow.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_history_seed_and_versions_come_back(saved):
    result = en.load(saved).result_
    assert (result.stop_reason, result.iterations, result.seed) == ("iterations", 4, 0)
    assert result.versions["numpy"] == np.__version__
    assert result.history.elbo.shape == (4,)
    assert result.history.multipliers.shape == (4, 1)


def test_a_file_from_before_an_option_was_there_is_read_with_its_default(saved):
    def older(header):
        for name in ("constraint_on", "split_bracket", "normalized_bracket"):
            del header["settings"][name]
        for name in ("constraints", "kappa", "augmented", "objective", "draws"):
            del header["result"][name]

    rewrite(saved, older)
    again = en.load(saved)
    assert again.settings == make("so2").settings
    assert (again.result_.constraints, again.result_.kappa) == ((), None)


def test_symmetry_is_proved_again(saved):
    def tilt(header):
        header["formulas"]["log_density"] = "-q1**2 - 2*q2**2 - p1**2 - p2**2"
        header["formulas"]["log_normalizer"] = None

    rewrite(saved, tilt)
    with pytest.raises(es.InvarianceError):
        en.load(saved)


@pytest.mark.parametrize(
    "text", ["__import__('os').system('touch hacked')", "q1.__class__", "lambda: 0", "exec('1')"]
)
def test_formulas_are_read_not_run(saved, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rewrite(saved, lambda header: header["formulas"].update(generators=[text]))
    with pytest.raises(en.ModelFileError):
        en.load(saved)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.npz"]


@pytest.mark.parametrize("fault", HEADER_FAULTS.values(), ids=HEADER_FAULTS)
def test_a_wrong_header_is_refused(saved, fault):
    rewrite(saved, fault)
    with pytest.raises(en.ModelFileError, match=r"model\.npz"):
        en.load(saved)


@pytest.mark.parametrize("fault", ARRAY_FAULTS.values(), ids=ARRAY_FAULTS)
def test_wrong_arrays_are_refused(saved, fault):
    rewrite(saved, fault, header=False)
    with pytest.raises(en.ModelFileError, match=r"model\.npz"):
        en.load(saved)


@pytest.mark.parametrize("keep", [0, 1, 3, 100, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_refused(saved, keep):
    content = saved.read_bytes()
    saved.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(en.ModelFileError):
        en.load(saved)


def test_flipped_bits_are_caught_by_the_archives_checksums(saved):
    content = bytearray(saved.read_bytes())
    rng = np.random.default_rng(0)
    for position in rng.integers(200, len(content) // 2, 20):
        damaged = content.copy()
        damaged[position] ^= 0x10
        saved.write_bytes(damaged)
        with pytest.raises(en.ModelFileError):
            en.load(saved)


def test_other_files_are_refused(tmp_path):
    single = tmp_path / "one.npy"
    np.save(single, X)
    text = tmp_path / "points.csv"
    text.write_text("1,2\n")
    other = tmp_path / "other.npz"
    np.savez(other, x=X)
    archive = tmp_path / "zip.npz"
    with zipfile.ZipFile(archive, "w") as handle:
        handle.writestr("note.txt", "hello")
    for path in (single, text, other, archive):
        with pytest.raises(en.ModelFileError):
            en.load(path)
    with pytest.raises(FileNotFoundError):
        en.load(tmp_path / "absent.npz")


def test_saving_fails_whole(saved, monkeypatch):
    before, flow = saved.read_bytes(), en.load(saved)

    def broken(handle, **arrays):
        handle.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(OSError, match="no space"):
        flow.save(saved)
    assert saved.read_bytes() == before
    assert [entry.name for entry in saved.parent.iterdir()] == ["model.npz"]


def sampler(n, rng):
    return rng.standard_normal((n, 2)) / np.sqrt(2)


def test_a_sampler_is_asked_for_again(tmp_path):
    space = es.PhaseSpace(1)
    q, p = space.q[0], space.p[0]
    base = es.BaseDensity(space, log_density=-(q**2 + p**2 + q**2 * p**2))
    flow = en.EquivariantHamiltonianFlow(
        base, enforce="none", hidden=(4,), base_sampler=sampler, rng=0
    )
    flow.save(tmp_path / "m.npz")
    with pytest.raises(es.ArgumentError, match="base_sampler"):
        en.load(tmp_path / "m.npz")
    again = en.load(tmp_path / "m.npz", base_sampler=sampler)
    np.testing.assert_array_equal(again.sample(3, rng=0), flow.sample(3, rng=0))


def test_options_given_as_numpy_scalars_are_saved(tmp_path):
    flow = make(
        "so2",
        rng=np.int64(3),
        steps=np.int32(3),
        step_size=np.float32(0.25),
        kappa=np.float32(0.5),
        hidden=np.array([8, 8]).tolist(),
        hamiltonians=np.int64(2),
    )
    flow.save(tmp_path / "m.npz")
    again = en.load(tmp_path / "m.npz")
    assert (again.settings, again.seed) == (flow.settings, 3)
    np.testing.assert_array_equal(again.sample(3, rng=0), flow.sample(3, rng=0))


def test_a_generator_of_another_kind_is_not_saved(tmp_path):
    """The model draws on by its seed; one of NumPy's default kind goes on where it was."""
    base, symmetry = CASES["so2"]()
    rng = np.random.Generator(np.random.MT19937(3))
    flow = en.EquivariantHamiltonianFlow(base, symmetry, hidden=(4,), rng=rng)
    flow.save(tmp_path / "model.npz")
    again = en.load(tmp_path / "model.npz")
    for ours, theirs in zip(again.weights, flow.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert type(again._rng.bit_generator) is np.random.PCG64


def test_what_a_file_tells_of_its_encoder_is_checked(tmp_path):
    base, symmetry = CASES["so2"]()
    encoder = en.GaussianEncoder(2, (4,))
    path = tmp_path / "model.npz"
    en.EquivariantHamiltonianFlow(base, symmetry, encoder=encoder, hidden=(4,), rng=0).save(path)
    assert en.load(path, encoder=encoder).settings.encoder == "own"
    rewrite(path, lambda h: h["parts"]["encoder"].pop("shapes"))
    with pytest.raises(en.ModelFileError, match="what it tells of its parts"):
        en.load(path, encoder=encoder)


@pytest.mark.parametrize(
    "told",
    [
        {"type": "os.system", "options": {"command": "true"}, "shapes": []},
        {"type": "Leapfrog", "options": {"steps": -1}, "shapes": []},
        {"type": "Leapfrog", "options": {"stride": 1}, "shapes": []},
        {"type": "Leapfrog", "options": 3, "shapes": []},
        {"type": "Dilated", "options": {"integrator": {"type": "Leapfrog"}}, "shapes": []},
        {"type": 3, "options": {}, "shapes": []},
        {"options": {}, "shapes": []},
        [],
    ],
)
def test_what_a_file_tells_of_its_integrator_is_checked(told, tmp_path):
    base, symmetry = CASES["so2"]()
    path = tmp_path / "model.npz"
    integrator = en.Yoshida4(1, 0.3)
    flow = en.EquivariantHamiltonianFlow(base, symmetry, integrator=integrator, hidden=(4,), rng=0)
    flow.save(path)
    assert en.load(path).flow.integrator == integrator
    rewrite(path, lambda h: h["parts"].update(integrator=told))
    with pytest.raises(en.ModelFileError, match=r"damaged|cannot be rebuilt"):
        en.load(path)


def test_a_part_that_no_model_has_is_refused(saved):
    rewrite(saved, lambda h: h.update(parts={"engine": {"type": "C", "shapes": []}}))
    with pytest.raises(en.ModelFileError, match="no part 'engine'"):
        en.load(saved)


def test_a_refusal_does_not_quote_the_file(saved):
    """A length of a name in the archive that is wrong makes weights a part of the name."""
    content = bytearray(saved.read_bytes())
    content[27] = 7
    saved.write_bytes(bytes(content))
    with pytest.raises(en.ModelFileError, match="damaged") as caught:
        en.load(saved)
    assert len(str(caught.value)) < 1000


class _Runs:
    """Makes a folder where it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_nothing_in_a_file_is_executed(saved, tmp_path):
    with np.load(saved, allow_pickle=False) as archive:
        arrays = dict(archive)
    arrays["weights"] = np.array([_Runs(tmp_path / "ran")], dtype=object)
    np.savez(saved, **arrays)
    with pytest.raises(en.ModelFileError):
        en.load(saved)
    assert not (tmp_path / "ran").exists()
