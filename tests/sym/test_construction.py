"""Hamiltonians of invariants: what is found, proved, refused and printed."""

import json

import pytest
import sympy as sp

import ehf_sym as es


def test_rotations_of_two_particles():
    space = es.PhaseSpace(4)
    q, p = space.q, space.p
    spin = es.LieAlgebra(space, [q[0] * p[1] - q[1] * p[0] + q[2] * p[3] - q[3] * p[2]])
    H = es.invariant_hamiltonian(spin)
    assert H.proved
    assert H.is_complete
    # By hand: every network of these commutes, here with polynomials in place of networks.
    K = sum((k + 1) * J**2 for k, J in enumerate(H.of_p.generators))
    U = sp.prod(H.of_q.generators) + H.of_q.generators[0] ** 3
    assert sp.expand(space.bracket(spin.generators[0], K + U)) == 0


def test_report():
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    H = es.invariant_hamiltonian(es.LieAlgebra(space, [q1 * p2 - q2 * p1]))
    assert "whatever K and U: proved" in str(H)
    data = json.loads(H.to_json())
    assert es.parse(data["of_q"][0], space) == q1**2 + q2**2
    assert data["proved"] is True


def test_the_degree_is_raised_as_far_as_needed():
    space = es.PhaseSpace(2)  # q1**3 * q2**2 is the first invariant of q of this squeeze
    (q1, q2), (p1, p2) = space.q, space.p
    squeeze = es.LieAlgebra(space, [2 * q1 * p1 - 3 * q2 * p2])
    H = es.invariant_hamiltonian(squeeze)
    assert H.of_q.generators == (q1**3 * q2**2,)
    with pytest.raises(es.ArgumentError, match="there is none to degree 4, though there may be"):
        es.invariant_hamiltonian(squeeze, max_degree=4)


def test_a_symmetry_without_invariants_is_refused():
    space = es.PhaseSpace(2)
    everything = es.LieAlgebra(space, space.p)
    with pytest.raises(es.ArgumentError, match=r"no invariants of q alone .* only constants"):
        es.invariant_hamiltonian(everything)
    dilation = es.LieAlgebra(space, [space.q[0] * space.p[0] + space.q[1] * space.p[1]])
    with pytest.raises(es.ArgumentError, match="no invariants of q alone"):
        es.invariant_hamiltonian(dilation)
