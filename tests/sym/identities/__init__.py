"""The corpus that the zero test answers for: true identities, the same planted, hard ones.

Data only. `test_identities` proves and refutes all of it and checks the truth of each entry
without the engine; `tests.benchmarks.zero_test` measures it.
"""

from .algebra import ALGEBRA
from .entry import Identity, planted
from .functions import FUNCTIONS
from .hard import HARD
from .phase_space import PHASE_SPACE

TRUE: list[Identity] = [*ALGEBRA, *FUNCTIONS, *PHASE_SPACE]
PLANTED: list[Identity] = [planted(identity, number) for number, identity in enumerate(TRUE)]

__all__ = ["HARD", "PLANTED", "TRUE", "Identity"]
