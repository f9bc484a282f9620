"""The report: one well-formed file that loads nothing, says everything and escapes everything."""

from base64 import b64decode
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from ehf_num.cli import main
from ehf_num.reproduce import command as reproduce
from ehf_num.reproduce.chapter import Chapter, ChapterError, Picture, Table, save
from ehf_num.reproduce.html_report import _VERDICTS, report, write_report

NASTY = "<script>alert('x')</script> & \"q\""
VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Checks that tags nest, and collects what there is."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def values(self, name):
        return [value for _, key, value in self.attributes if key == name]


@pytest.fixture
def folder(tmp_path):
    canvas = Figure(figsize=(1, 1))
    save(canvas, tmp_path, "one.png", "")
    (tmp_path / "film.gif").write_bytes(b"GIF89a and so on")
    return tmp_path


def chapter(**options):
    given = {
        "name": "fig1", "title": "Title", "command": "ehf reproduce fig1", "seeds": "0..4",
        "tables": (Table("nats", (("claim", "verdict"), ("better", "does not hold"))),),
        "pictures": (Picture("one.png", "a picture"), Picture("film.gif", "a film")),
        "remarks": ("a remark",), "versions": {"numpy": "2.0"},
    }  # fmt: skip
    return Chapter(**given | options)


def test_report_says_everything(folder):
    found = Reader(report([chapter(), chapter(name="so2", title="Other")], folder))
    text = " ".join(found.words)
    for word in ("Title", "Other", "ehf reproduce fig1", "0..4", "nats", "better", "a remark"):
        assert word in text
    assert "numpy 2.0" in text
    assert found.values("href") == ["#fig1", "#so2"]
    assert {"fig1", "so2"} <= set(found.values("id"))
    assert found.values("alt") == ["a picture", "a film"] * 2
    assert ("td", "class", "fails") in found.attributes


def test_every_table_and_remark_is_there(folder):
    """Cells in their order, with the mark of their verdict; two chapters, each its own."""
    one = Table("first", (("a", "b"), ("1", "holds"), ("2", "not decided"), ("3", "4")))
    two = Table("second", (("c",), ("does not hold",)))
    chapters = [
        chapter(tables=(one, two), remarks=("r1", "r2")),
        chapter(name="other", title="Other", tables=(two, one), pictures=(), remarks=("r3",)),
    ]
    found = Reader(report(chapters, folder))
    words = [word for word in found.words if word.strip()]
    cells = [word for word in words if word in {"a", "b", "c", "1", "2", "3", "4", *_VERDICTS}]
    first, second = "a b 1 holds 2 not_decided 3 4", "c does_not_hold"
    assert cells == [
        cell.replace("_", " ") for cell in f"{first} {second} {second} {first}".split()
    ]
    marks = [value for tag, key, value in found.attributes if (tag, key) == ("td", "class")]
    assert marks == ["holds", "open", "fails", "fails", "holds", "open"]
    remarks = ["r1", "r2", "r3"]
    assert [word for word in words if word in remarks] == remarks
    assert words.index("r3") > words.index("Other")


def test_pictures_are_inside(folder):
    found = Reader(report([chapter()], folder))
    for source, file in zip(found.values("src"), ("one.png", "film.gif"), strict=True):
        head, _, data = source.partition(",")
        assert head == f"data:image/{file[-3:]};base64"
        assert b64decode(data) == (folder / file).read_bytes()


def test_nothing_is_loaded_from_elsewhere(folder):
    text = report([chapter()], folder)
    found = Reader(text)
    assert "script" not in found.tags
    assert "link" not in found.tags
    assert all(source.startswith("data:") for source in found.values("src"))
    for sign in ("http:", "https:", "url(", "@import"):
        assert sign not in text


def test_everything_is_escaped(folder):
    bad = chapter(
        name=NASTY, title=NASTY, command=NASTY, seeds=NASTY, remarks=(NASTY,),
        tables=(Table(NASTY, ((NASTY,), (NASTY,))),), pictures=(Picture("one.png", NASTY),),
        versions={NASTY: NASTY},
    )  # fmt: skip
    text = report([bad], folder)
    found = Reader(text)
    assert "<script" not in text
    assert set(found.tags) == set(Reader(report([chapter()], folder)).tags)
    assert found.values("alt") == [NASTY]
    assert "".join(found.words).count(NASTY) == 11


@pytest.mark.parametrize(
    "file", ["gone.png", "../one.png", "/etc/passwd", "one.svg", "fig1.chapter.json", "false.png"]
)
def test_other_files_are_not_taken_in(folder, file):
    (folder / "one.svg").write_text("<svg/>")
    (folder / "false.png").write_text("no picture")
    with pytest.raises(ChapterError):
        report([chapter(pictures=(Picture(file, ""),))], folder)


def test_a_report_that_fails_leaves_the_earlier_one(folder):
    path = folder / "report.html"
    write_report([chapter()], folder, path)
    before = path.read_text("utf-8")
    with pytest.raises(ChapterError):
        write_report([chapter(pictures=(Picture("gone.png", ""),))], folder, path)
    assert path.read_text("utf-8") == before


# The command


def test_report_of_what_there_is(folder, capsys):
    chapter(name="own", title="Mine").write(folder)
    chapter(name="data_efficiency").write(folder)
    chapter(name="fig1").write(folder)
    assert main(["reproduce", "all", "--run", "--out", str(folder)]) == 0
    found = Reader((folder / "report.html").read_text("utf-8"))
    assert found.values("href") == ["#fig1", "#data_efficiency", "#own"]
    assert "report.html" in capsys.readouterr().out


def test_what_has_no_results_is_run(folder, monkeypatch, capsys):
    ran = []

    def running(experiment, options, chosen):
        ran.append((experiment.name, options.full))
        chapter(name=experiment.name).write(options.out)
        return f"text of {experiment.name}"

    monkeypatch.setattr(reproduce, "run", running)
    chapter(name="fig2a").write(folder)
    assert main(["reproduce", "all", "--full", "--out", str(folder)]) == 0
    assert ran == [("fig1", True), ("fig2b", True)]
    assert "text of fig2b" in capsys.readouterr().out
    ran.clear()
    assert main(["reproduce", "all", "--run", "so2", "so2", "fig1", "--out", str(folder)]) == 0
    assert ran == [("so2", False), ("fig1", False)]


def test_no_results_are_an_error(tmp_path, capsys):
    assert main(["reproduce", "all", "--run", "--out", str(tmp_path)]) == 3
    assert "no results" in capsys.readouterr().err
    (tmp_path / "fig1.chapter.json").write_text("{")
    assert main(["reproduce", "all", "--run", "--out", str(tmp_path)]) == 3
    assert "damaged" in capsys.readouterr().err


def test_what_is_not_known_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["reproduce", "all", "--run", "fig9", "--out", str(tmp_path)])
    assert "fig9" in capsys.readouterr().err
