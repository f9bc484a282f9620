"""Verdicts of the zero test as they are shown: in notebooks, in LaTeX, as text and as data."""

import json
from html.parser import HTMLParser

import pytest
import sympy as sp

import ehf_sym as es
from ehf_sym.formulas.verdict import ZeroVerdict

X, Y = sp.symbols("x y", real=True)
PROVED = es.is_zero(sp.sin(X) ** 2 + sp.cos(X) ** 2 - 1)
REFUTED = es.is_zero(sp.exp(X) - 1 - X)
UNDECIDED = ZeroVerdict("undecided", "out of time", residual=X**2 - Y)


class Texts(HTMLParser):
    """The text of each line; tags have to be in balance."""

    def __init__(self, html):
        super().__init__()
        self.open, self.lines = [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in {"div", "code"}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.lines.append(data)


@pytest.mark.parametrize("verdict", [PROVED, REFUTED, UNDECIDED], ids=lambda v: v.status)
def test_notebooks_show_what_the_text_says(verdict):
    assert "".join(Texts(verdict._repr_html_()).lines) == "".join(
        line.strip() for line in verdict.to_text().splitlines()
    )
    assert verdict._repr_latex_().startswith(r"\[\begin{array}")
    assert verdict.to_text().startswith(verdict.status)


def test_a_refutation_can_be_checked_by_hand():
    head, where, how = REFUTED.to_text().splitlines()
    assert head == "refuted: not identically 0"
    ((symbol, at),) = REFUTED.witness.items()
    value = sp.N(sp.exp(at) - 1 - at, 6)
    assert where == f"  at {symbol} = {at} its value is about {value}"
    assert how == f"  by {REFUTED.method}"


def test_what_has_no_coordinates_is_refuted_everywhere():
    assert es.is_zero(sp.Integer(2)).to_text().splitlines()[1] == "  everywhere its value is 2"


def test_a_proof_says_what_it_rests_on():
    facts = [f"  rests on {fact}" for fact in PROVED.certificate.rests_on]
    assert facts
    assert PROVED.to_text().splitlines()[2:] == facts


def test_what_remains_is_shown_as_a_formula():
    assert Texts(UNDECIDED.to_html()).lines[-2:] == ["what remains is ", "x**2 - y"]
    assert UNDECIDED.to_latex().count("x^{2} - y") == 1


def test_data_hold_verdict_and_certificate():
    data = json.loads(REFUTED.to_json())
    assert (data["report"], data["status"]) == ("zero test", "refuted")
    assert data["witness"] == {str(s): str(number) for s, number in REFUTED.witness.items()}
    assert data["certificate"] == REFUTED.certificate.as_dict()
    assert "certificate" not in json.loads(UNDECIDED.to_json())


def test_names_of_symbols_stay_text():
    hostile = sp.Symbol("<b>", real=True)
    assert "<b>" not in es.is_zero(hostile).to_html()


def test_as_a_string_it_stays_one_line():
    assert "\n" not in str(PROVED) + str(REFUTED) + str(UNDECIDED)
    assert f"{UNDECIDED}" == "undecided: out of time; what remains is x**2 - y"
