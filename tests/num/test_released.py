"""Files of earlier code: models answer as they did, runs go on as they would have."""

import numpy as np
import pytest
import released_files as released

import ehf_num as en
import ehf_sym as es
from ehf_num.training.training import Run


def answers(name):
    with np.load(released.FOLDER / f"{name}_answers.npz") as archive:
        return {each: archive[each] for each in archive.files}


def close(name):
    """The kernels of another machine round otherwise."""
    return {"rtol": 1e-4, "atol": 1e-5} if name == "float32" else {"rtol": 1e-9, "atol": 1e-11}


@pytest.mark.parametrize("name", released.MODELS)
def test_a_model_of_old_answers_as_it_did(name):
    file, told = released.FOLDER / f"{name}.npz", answers(name)
    flow = en.load(file)
    with np.load(file) as archive:
        np.testing.assert_array_equal(flow.flat_weights, archive["weights"])
        np.testing.assert_array_equal(flow.result_.history.elbo, archive["history_elbo"])
    assert flow.result_.stop_reason == "iterations"
    np.testing.assert_allclose(released.elbo(flow), told["elbo"], **close(name))
    np.testing.assert_allclose(flow.sample(5, rng=1), told["sample"], **close(name))


def resumed(name, tmp_path, **options):
    path = tmp_path / "run.npz"
    path.write_bytes((released.FOLDER / f"{name}_run.npz").read_bytes())
    flow = released.model(name)
    released.fit(name, flow, checkpoint=path, checkpoint_every=released.EVERY, **options)
    return flow


@pytest.mark.parametrize("name", released.RUNS)
def test_a_run_of_old_goes_on(name, tmp_path):
    flow = resumed(name, tmp_path)
    assert flow.result_.resumed_at == released.EVERY
    np.testing.assert_allclose(flow.flat_weights, answers(name)["weights"], **close(name))


@pytest.mark.parametrize("name", released.RUNS)
def test_a_run_of_old_goes_on_from_the_bits_that_were_written(name, tmp_path, monkeypatch):
    def at_once(_run):
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "step", at_once)
    with pytest.warns(en.TrainingWarning, match="8 of them before"):
        flow = resumed(name, tmp_path)
    with np.load(released.FOLDER / f"{name}_run.npz") as archive:
        np.testing.assert_array_equal(flow.flat_weights, archive["weights"])
        np.testing.assert_array_equal(flow.result_.history.elbo, archive["history_elbo"])


@pytest.mark.parametrize(
    "options", [{"learning_rate": 0.02}, {"record_every": 3}, {"augment": True}]
)
def test_another_run_of_old_is_refused(options, tmp_path):
    with pytest.raises(es.ArgumentError, match="earlier release"):
        resumed("penalty", tmp_path, **options)
