"""What notebooks show of results: well-formed, escaped, and what the text says."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from sympy import symbols

import ehf_num as en
import ehf_sym as es
from ehf_num.files.result import HISTORY_FIELDS
from ehf_sym.formulas.report import ResultTable

HOSTILE = '<script>alert("&")</script>'


class Page(HTMLParser):
    """Tags in balance, and the text of each cell and line."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag in {"div", "table", "tr", "th", "td", "strong"}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


def texts(thing) -> list[str]:
    return Page(thing._repr_html_()).texts


@pytest.fixture(scope="module")
def fitted():
    symmetry = es.groups.so(2)
    base = es.StandardNormal(symmetry.space)
    flow = en.EquivariantHamiltonianFlow(base, symmetry, hidden=(4, 3), kappa=0.25, rng=0)
    x = en.rings().sample(40, rng=0)
    return flow.fit(x, iterations=8, validation=0.25, progress=False)


def cells(thing) -> dict[str, str]:
    """Rows of a table of two columns, below its title."""
    found = texts(thing)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def test_hostile_text_stays_text():
    table = ResultTable(HOSTILE, [(HOSTILE, HOSTILE)], (HOSTILE, HOSTILE), [HOSTILE])
    assert Page(table.to_html()).texts == [HOSTILE] * 6
    space = es.PhaseSpace(1)
    base = es.BaseDensity(space, log_density=-(space.q[0] ** 2) - space.p[0] ** 2, name=HOSTILE)
    flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(3,), rng=0)
    assert f"{HOSTILE}, d = 1" in texts(flow)
    diagnosis = en.Diagnosis((en.Check(HOSTILE, 1.0, 2.0, HOSTILE),), (HOSTILE,))
    assert texts(diagnosis).count(HOSTILE) == 3
    report = en.EncoderReport((en.EncoderCheck(HOSTILE, HOSTILE),))
    assert texts(report).count(HOSTILE) == 2


def test_a_model_says_what_it_is(fitted):
    shown = cells(fitted)
    assert shown["base π(q, p)"] == "standard normal, d = 2"
    assert shown["symmetry"] == "L_12 = -p1*q2 + p2*q1"
    assert shown["{g, π} = 0"] == "proved"
    assert shown["{g, H}"] == "mean square held to κ = 0.25"
    assert shown["flow"] == "1 Hamiltonian, 2 leapfrog steps of 0.5 each; hidden layers 4 × 3"
    assert shown["weights"] == f"{sum(w.size for w in fitted.weights)} of float64"
    assert shown["training"] == str(fitted.result_)


def test_models_before_training_and_without_penalty():
    symmetry = es.groups.so(4)
    base = es.StandardNormal(symmetry.space)
    exact = en.EquivariantHamiltonianFlow(base, symmetry, enforce="exact", hidden=(3,), rng=0)
    shown = cells(exact)
    assert shown["training"] == "none yet"
    assert shown["{g, H} = 0"] == "proved, for all weights"
    assert shown["symmetry"].endswith("…")
    free = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(3,), rng=0)
    assert not any(name.startswith(("{", "symmetry")) for name in cells(free))


def test_a_training_result_has_its_last_figures(fitted):
    result = fitted.result_
    shown = cells(result)
    history = result.history
    assert shown["ELBO, minibatches"] == f"{history.elbo[-1]:.3f} nats"
    assert shown["ELBO, held out"] == f"best {np.max(history.validation_elbo):.3f} nats"
    square, multiplier = history.squared_brackets[-1, 0], history.multipliers[-1, 0]
    assert shown["{g1,H}² base"] == f"{square:.2g}; κ = 0.25, λ = {multiplier:.3g}"
    assert shown["seed"] == "0"
    assert f"numpy {np.__version__}" in shown["versions"]


def test_a_training_result_says_only_what_there_is(fitted):
    empty = replace(fitted.result_.history, **{n: getattr(fitted.result_.history, n)[:0]
                    for n in HISTORY_FIELDS})  # fmt: skip
    shown = cells(replace(fitted.result_, history=empty, augmented=True))
    assert set(shown) == {"stopped by", "minibatches", "seed", "versions"}
    assert shown["minibatches"] == "moved by random group elements"
    unwatched = np.full_like(fitted.result_.history.validation_elbo, np.nan)
    history = replace(fitted.result_.history, validation_elbo=unwatched)
    assert "ELBO, held out" not in cells(replace(fitted.result_, history=history))


def test_estimates_and_diagnoses_say_in_html_what_they_print(fitted):
    x = en.rings().sample(30, rng=1)
    estimate = fitted.likelihood(x, method="quadrature", standard_error=0.1)
    assert texts(estimate) == [line.strip() for line in str(estimate).splitlines()]
    checks = (en.Check("a < b", 1e-12, 1e-8), en.Check("c", np.nan, 0.1, "nats"))
    diagnosis = en.Diagnosis(checks, ("not measured: x > y",))
    assert texts(diagnosis)[0] == "Diagnosis: 1 of 2 need a look"
    printed = str(diagnosis).split()
    assert " ".join(texts(diagnosis)[1:]).split() == printed
    assert en.Diagnosis(checks[:1]).verdict == "every check passed"


def test_an_encoder_report_names_the_fault():
    good, bad = en.EncoderCheck("init", None), en.EncoderCheck("draw", "gave (3,)")
    assert texts(en.EncoderReport((good,))) == ["Encoder: no fault found", "init", "ok"]
    assert texts(en.EncoderReport((good, bad)))[-2:] == ["draw", "gave (3,)"]


def test_formulas_are_latex():
    assert es.PhaseSpace(2)._repr_latex_() == "$s = (q_{1}, q_{2}, p_{1}, p_{2})$"
    a = symbols("a", positive=True)
    space = es.PhaseSpace(1, parameters=[a])
    formula = -a * space.q[0] ** 4 - space.p[0] ** 2
    assert es.BaseDensity(space, log_density=formula)._repr_latex_() == (
        r"$\ln \pi = - a q_{1}^{4} - p_{1}^{2} - \ln Z$"
    )
    known = es.BaseDensity(space, log_density=formula, log_normalizer=a)
    assert known._repr_latex_().endswith(r"- \left(a\right)$")
    listed = es.groups.so(4)._repr_latex_()
    assert listed.startswith("\\[\\begin{aligned}\nL_{12} &= - p_{1} q_{2} + p_{2} q_{1} \\\\\n")
    assert listed.count("&=") == 6
    many = es.groups.so(8)._repr_latex_()
    assert many.count("&=") == 24
    assert r"28\text{ in all}" in many
