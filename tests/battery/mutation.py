"""Mutations of ehf_num by cosmic-ray's operators: which of them does no test see?

    python -m tests.battery.mutation [--seed 0] [--sample 100] [--patience 300]

draws mutations of the files with the most logic, each as likely as any other, plants one at a time
in a copy of the package, and runs the test files of its module until the first test fails. Tests
that end with an error or take longer than the patience see it too. It needs the extra `mutation`.
Operators that mostly make code that cannot run (a bitwise "or" for "+") are left out: they would
raise the score without asking anything.
"""

from __future__ import annotations

import argparse
import difflib
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

from tests.battery.faults import copy, plant
from tests.battery.frame import require
from tests.battery.planted import Fault

# The files with the most places to mutate, pictures and the paper's experiments apart, and the
# test files that stand for each.
FILES = {
    "files/readers": ("test_readers", "test_cli"),
    "files/text_table": ("test_readers", "test_cli"),
    "densities/coupling": ("test_encoders", "test_encoder_kernels"),
    "densities/check_encoder": ("test_own_encoder",),
    "inference/quadrature": ("test_likelihood",),
    "engine/native": ("test_native", "test_team", "test_adam"),
    "training/training": ("test_training", "test_endings", "test_checkpoint"),
    "cli/options": ("test_cli",),
    "cli/training": ("test_cli",),
    "targets/datasets": ("test_datasets",),
    "training/minibatches": ("test_training", "test_checkpoint"),
    "files/identity": ("test_identity",),
    "files/archive": ("test_persistence", "test_hostile_files", "test_checkpoint"),
    "densities/factors": ("test_base",),
    "densities/monotone": ("test_encoders", "test_encoder_kernels"),
    "densities/base": ("test_base", "test_learned_base"),
    "hamiltonian/splitting": ("test_splitting", "test_integrators", "test_reversible"),
    "engine/networks": ("test_energy_gradient", "test_relu_network", "test_diagnostics"),
    "hamiltonian/integrators": ("test_integrators", "test_reversible", "test_memory"),
    "training/objective": ("test_objective", "test_bounds"),
    "model/diagnosis": ("test_diagnostics", "test_exact"),
    "targets/phase_orbits": ("test_phase_orbits", "test_datasets"),
    "symmetry/orbits": ("test_orbits",),
    "symmetry/action": ("test_action",),
    "training/constraint": ("test_constraint", "test_objective"),
    "densities/learned_base": ("test_learned_base",),
    "inference/importance": ("test_likelihood",),
    "model/model": ("test_model", "test_endings", "test_persistence"),
    "engine/arguments": ("test_model", "test_training"),
    "training/bounds": ("test_bounds",),
    "engine/adam": ("test_adam",),
}

OPERATORS = (
    "ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Mul_Div", "ReplaceBinaryOperator_Div_Mul",
    "ReplaceBinaryOperator_FloorDiv_Mul", "ReplaceBinaryOperator_Mod_Mul",
    "ReplaceBinaryOperator_Pow_Mul",
    "ReplaceComparisonOperator_Eq_NotEq", "ReplaceComparisonOperator_NotEq_Eq",
    "ReplaceComparisonOperator_Lt_LtE", "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_Gt_GtE", "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is",
    "ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Not", "AddNot",
    "ReplaceTrueWithFalse", "ReplaceFalseWithTrue",
    "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue", "ReplaceContinueWithBreak",
    "NumberReplacer", "ZeroIterationForLoop",
)  # fmt: skip


def _places() -> Iterator[tuple[str, str, int]]:
    """List what can be mutated: a file, an operator, and which of its occurrences."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator

    for name in FILES:
        nodes = list(ast_nodes(get_ast(_source(name))))
        for operator in OPERATORS:
            found = get_operator(f"core/{operator}")()
            count = sum(len(list(found.mutation_positions(node))) for node in nodes)
            yield from ((name, operator, k) for k in range(count))


def _source(name: str) -> str:
    return (copy() / "ehf_num" / f"{name}.py").read_text(encoding="utf-8")


def _fault(name: str, operator: str, occurrence: int) -> Fault:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    before = _source(name)
    after = mutate_code(before, get_operator(f"core/{operator}")(), occurrence)
    tests = tuple(f"tests/num/{test}.py" for test in FILES[name])
    return Fault(operator, f"ehf_num/{name}.py", before, after, tests)


def _lines(fault: Fault) -> str:
    """Tell what was changed, and where."""
    was, now = fault.text.splitlines(), fault.replacement.splitlines()
    for kind, i, k, j, m in difflib.SequenceMatcher(a=was, b=now, autojunk=False).get_opcodes():
        if kind != "equal":
            before, after = (" ".join(map(str.strip, part)) for part in (was[i:k], now[j:m]))
            return f"{fault.file}:{i + 1}: {before}  ->  {after}"
    return f"{fault.file}: no line differs"


def _fate(fault: Fault, patience: float) -> str:
    try:
        return "seen" if plant(fault, patience).returncode else "survived"
    except subprocess.TimeoutExpired:
        return "timed out"


def _check_tests(name: str) -> None:
    """Without a mutation the tests pass, or what they saw was not the mutation."""
    source = _source(name)
    tests = tuple(f"tests/num/{test}.py" for test in FILES[name])
    done = plant(Fault("nothing", f"ehf_num/{name}.py", source, source, tests))
    require(done.returncode == 0, f"the tests of {name} fail as they are: {done.stdout[-300:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, default=100, metavar="N", help="how many are drawn")
    parser.add_argument("--patience", type=float, default=300, help="seconds for one mutation")
    options = parser.parse_args()
    places = list(_places())
    chosen = random.Random(options.seed).sample(places, min(options.sample, len(places)))
    fates: Counter[str] = Counter()
    unproved = {name for name, *_ in chosen}  # that a test file passes, one survivor shows
    for place in chosen:
        fault = _fault(*place)
        fate = _fate(fault, options.patience)
        fates[fate] += 1
        if fate == "survived":
            unproved.discard(place[0])
        if fate != "seen":
            print(f"{fate} {_lines(fault)}", flush=True)
        if fates.total() % 10 == 0:
            print(dict(fates), flush=True)
    for name in sorted(unproved):
        _check_tests(name)
    share = 1 - fates["survived"] / len(chosen)
    print(f"score {share:.1%} of {len(chosen)}: {dict(fates)}; {len(places)} places in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
