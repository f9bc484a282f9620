"""One description of a table as text, Markdown, LaTeX and HTML."""

import xml.etree.ElementTree as ET

import ehf_sym as es

HOSTILE = "<b>&\"' 5%_#{x}"
TABLE = es.ResultTable("errors", [("κ", "0.1"), (HOSTILE, "LOOK")], ("name", "value"), ["a & b"])


def test_text_is_in_columns():
    assert str(TABLE).splitlines() == [
        "errors", "", "name            value", "κ               0.1", f"{HOSTILE}  LOOK", "a & b",
    ]  # fmt: skip
    assert es.ResultTable("", [("a", "b")]).to_text() == "a  b"


def test_html_is_well_formed_and_escaped():
    root = ET.fromstring(TABLE.to_html())
    head, *rows = root.find("table")
    assert [(cell.tag, cell.text) for cell in head] == [("th", "name"), ("th", "value")]
    assert [["".join(cell.itertext()) for cell in row] for row in rows] == [
        ["κ", "0.1"], [HOSTILE, "LOOK"],
    ]  # fmt: skip
    assert [cell.find("strong") is not None for cell in rows[1]] == [False, True]
    assert [div.text for div in root.findall("div")][-1] == "a & b"
    bare = ET.fromstring(es.ResultTable("named", [("x", "1")]).to_html())
    assert [cell.tag for cell in bare.find("table")[0]] == ["th", "td"]
    assert ET.fromstring(es.ResultTable("said", (), remarks=["r"]).to_html()).find("table") is None


def test_latex_escapes_what_it_reads_as_commands():
    lines = TABLE.to_latex().splitlines()
    assert lines[0] == r"\begin{tabular}{ll}"
    assert lines[2] == r"\hline"
    assert lines[4] == r"<b>\&\"' 5\%\_\#\{x\} & LOOK \\".replace(r"\"", '"')
    assert lines[-1] == r"\end{tabular}"


def test_markdown_has_a_head():
    assert TABLE.to_markdown().splitlines()[:3] == [
        "| name | value |",
        "| --- | --- |",
        "| κ | 0.1 |",
    ]
