"""What experiments leave behind reads back, and what is damaged is named."""

import json

import pytest

from ehf_num.reproduce.chapter import Chapter, ChapterError, Picture, Table, chapters_in
from ehf_num.reproduce.recorded import failures
from ehf_num.reproduce.sweep import Outcome

CHAPTER = Chapter(
    name="two",
    title="Two",
    command="ehf reproduce two",
    seeds="0..4",
    tables=(Table("nats", (("κ", "test"), ("none", "-3.2"))), Table("", (("a",), ("b",)))),
    pictures=(Picture("two.png", "a picture"),),
    remarks=("one thing", "and another"),
    versions={"python": "3"},
)


def test_a_chapter_reads_back(tmp_path):
    text = CHAPTER.write(tmp_path)
    assert chapters_in(tmp_path) == {"two": CHAPTER}
    assert (tmp_path / "two.txt").read_text("utf-8") == f"{text}\n"
    assert text == "nats\n\nκ     test\nnone  -3.2\n\na\nb\n\none thing\nand another"


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"tables": 3}', "not JSON"])
def test_a_damaged_chapter_is_named(tmp_path, content):
    (tmp_path / "bad.chapter.json").write_text(content)
    with pytest.raises(ChapterError, match=r"bad\.chapter\.json is damaged"):
        chapters_in(tmp_path)


def test_unknown_fields_are_damage(tmp_path):
    CHAPTER.write(tmp_path)
    path = tmp_path / "two.chapter.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"extra": 1}))
    with pytest.raises(ChapterError, match="damaged"):
        chapters_in(tmp_path)


def test_failed_runs_are_told_by_their_last_line():
    fine = Outcome("first", {"x": 1}, None, 1.0)
    bad = Outcome("second", None, "Traceback\n  ...\nValueError: too few\n", 1.0)
    assert failures([fine, bad], str.upper) == ["SECOND: ValueError: too few"]
