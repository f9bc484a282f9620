"""reversible=: the same training in less memory, its error on record."""

import numpy as np
import pytest
from models import make

import ehf_num as en
import ehf_sym as es
from ehf_num.hamiltonian import integrators

pytestmark = pytest.mark.usefixtures("each_engine")
X = en.rings().sample(64, rng=0)


def trained(**options):
    flow = make("so2", hamiltonians=2, **options)
    return flow.fit(X, iterations=5, batch_size=32, progress=False)


def test_training_is_the_same_up_to_rounding():
    kept, rebuilt = trained(reversible=False), trained(reversible=True)
    for left, right in zip(kept.weights, rebuilt.weights, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-9)
    assert kept.result_.reversal_error is None
    assert 0 < rebuilt.result_.reversal_error < 1e-12


def test_auto_rebuilds_where_too_much_would_be_kept(monkeypatch):
    assert trained().result_.reversal_error is None
    monkeypatch.setattr(integrators, "MOST_KEPT", 1000)
    assert trained().result_.reversal_error < 1e-12


def test_error_is_saved_and_the_option_too(tmp_path):
    flow = trained(reversible=True)
    flow.save(tmp_path / "m.npz")
    again = en.load(tmp_path / "m.npz")
    assert again.settings.reversible is True
    assert again.result_.reversal_error == flow.result_.reversal_error


@pytest.mark.parametrize("bad", ["yes", 1, None, 0.5])
def test_a_bad_option_is_named(bad):
    with pytest.raises(es.ArgumentError, match="reversible"):
        make("so2", reversible=bad)
