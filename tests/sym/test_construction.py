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


def _copies(name, count):
    """Act on several vectors alike."""
    one = es.named_symmetry(name)
    d = one.space.dim
    space = es.PhaseSpace(count * d)
    moves = [
        {x: y for a, b in ((one.space.q, space.q), (one.space.p, space.p))
         for x, y in zip(a, b[k * d : (k + 1) * d], strict=True)}
        for k in range(count)
    ]  # fmt: skip
    return es.LieAlgebra(space, [sum(g.xreplace(m) for m in moves) for g in one.generators])


# What the first fundamental theorem says of how many there are, degree by degree.
GENERATING = {
    "so(2) on 2": (lambda: _copies("so(2)", 2), {2: 4}),
    "so(3) on 1": (lambda: es.groups.so(3), {2: 1}),
    "so(3) on 2": (lambda: es.Particles(2, 3).rotations(), {2: 3}),
    "so(3) on 3": (lambda: es.Particles(3, 3).rotations(), {2: 6, 3: 1}),
    "so(3) on 4": (lambda: es.Particles(4, 3).rotations(), {2: 10, 3: 4}),
    "so(4) on 3": (lambda: _copies("so(4)", 3), {2: 6}),
    "u(2) on 2": (lambda: _copies("u(2)", 2), {2: 4}),
    "su(2) on 2": (lambda: _copies("su(2)", 2), {2: 6}),
    "each": (lambda: es.Particles(2, 3).rotations_of_each(), {2: 2}),
    "about z": (lambda: es.LieAlgebra(es.PhaseSpace(3), [es.groups.so(3).generators[2]]),
                {1: 1, 2: 1}),
    "translations": (lambda: es.Particles(3, 2).translations(), {1: 4}),
}  # fmt: skip


@pytest.mark.parametrize("name", GENERATING)
def test_invariants_generate_where_the_first_fundamental_theorem_says_so(name):
    make, counts = GENERATING[name]
    H = es.invariant_hamiltonian(make())
    assert H.proved
    assert H.is_generating
    assert {k: H.of_q.degrees.count(k) for k in set(H.of_q.degrees)} == counts
    assert "I and J generate all" in str(H)
    assert json.loads(H.to_json())["is_generating"] is True


@pytest.mark.parametrize(
    "symmetry",
    [
        es.Particles(3, 2).euclidean(),
        _copies("su(3)", 2),
        es.LieAlgebra(
            es.PhaseSpace(4),
            [es.parse("q1*p2 - q2*p1 + 2*(q3*p4 - q4*p3)", es.PhaseSpace(4))],
        ),
    ],
    ids=["euclidean", "su(3) on 2", "charges 1 and 2"],
)
def test_the_report_says_where_a_larger_group_may_be_kept(symmetry):
    H = es.invariant_hamiltonian(symmetry)
    assert H.proved
    assert not H.is_generating
    assert "H may keep a larger group" in str(H)


def test_the_determinant_tells_hands_apart_and_dot_products_do_not():
    symmetry = es.Particles(3, 3).rotations()
    q = symmetry.space.q
    mirror = {x: -x for x in q[::3]}
    odd = [f for f in es.invariant_hamiltonian(symmetry).of_q.generators
           if sp.expand(f.xreplace(mirror) - f) != 0]  # fmt: skip
    assert [sp.expand(f - sp.Matrix(3, 3, q).det()) for f in odd] in ([0], [sp.Integer(0)])


def test_too_many_determinants_are_left_out_and_the_report_says_so():
    H = es.invariant_hamiltonian(es.Particles(10, 3).rotations())
    assert set(H.of_q.degrees) == {2}
    assert not H.is_generating
