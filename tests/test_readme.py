"""The README keeps its word: its example runs as printed, its commands are those of the gates."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest

import ehf_num as en
from ehf_num import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = {
    "reproduce": "python3 -m venv .venv && .venv/bin/pip install -q . "
    "&& .venv/bin/ehf reproduce so2",
    "test": "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/pytest",
}


def test_example_runs_as_printed(monkeypatch, tmp_path) -> None:
    first, example = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    fit, asked = en.EquivariantHamiltonianFlow.fit, []

    def short_fit(self, x, *, iterations, **options):  # the text stays whole: the method is cut
        asked.append(iterations)
        return fit(self, x, iterations=10, **options | {"progress": False})

    monkeypatch.setattr(en.EquivariantHamiltonianFlow, "fit", short_fit)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(first, "README.md", "exec"), names)
    assert en.load("points.npz").sample(5, rng=0).std() > 10  # in units of the file
    asked.clear()
    exec(compile(example, "README.md", "exec"), names)

    assert asked == [15_000]
    assert names["report"].proved
    x, flow = names["x"], names["flow"]
    assert flow.sample(1000, rng=1).shape == (1000, 2)
    assert flow.elbo(x).shape == flow.log_prob(x).shape == (100,)
    np.testing.assert_array_equal(en.load("rings.npz").elbo(x), flow.elbo(x))


def test_session_gives_what_is_printed() -> None:
    (session,) = re.findall(r"^```pycon\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest(session, {}, "README.md", None, None)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=report.append)
    assert len(test.examples) >= 10
    assert not runner.failures, "".join(report)


def test_each_command_is_one_marked_line() -> None:
    marked = re.findall(r"^<!-- command: (\w+) -->\n```sh\n(.*)\n```$", README, re.MULTILINE)
    assert dict(marked) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_gates_run_the_command_of_the_readme(name) -> None:
    """`.ci/run` takes its commands out of the README by a function of its own: run that one."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (extract,) = re.findall(r"^readme_command\(\) \{\n.*?^\}$", script, re.MULTILINE | re.DOTALL)
    printed = subprocess.run(
        ["bash", "-c", f"{extract}\nreadme_command {name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == f"{COMMANDS[name]}\n"
    assert f"$(readme_command {name})" in script


def test_check_command_proves(capsys) -> None:
    lines = re.findall(r"^ehf (check .*)$", README, re.MULTILINE)
    assert lines
    for line in lines:
        assert cli.main(shlex.split(line)) == 0
        assert "proved" in capsys.readouterr().out
