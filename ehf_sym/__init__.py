"""Symmetries of phase-space densities as formulas: declared, proved, written out."""

from ehf_sym.actions.action import FiniteAction
from ehf_sym.actions.numpy_flow import NumpyFlow
from ehf_sym.catalogue import groups
from ehf_sym.catalogue.lattices.fields import ComplexScalarLattice, ScalarLattice
from ehf_sym.catalogue.lattices.gauge import U1Lattice
from ehf_sym.catalogue.names import named_symmetry
from ehf_sym.catalogue.particles import Particles
from ehf_sym.catalogue.point_transformation import PointTransformation
from ehf_sym.catalogue.relative_frame import RelativeFrame
from ehf_sym.catalogue.systems import IsotropicOscillator, Kepler
from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.densities.families import GaussianFamily, SoftUniform, StandardNormal
from ehf_sym.densities.gaussian import Gaussian
from ehf_sym.errors import (
    ActionError,
    ArgumentError,
    ClosureError,
    EHFError,
    FormulaError,
    UndecidedError,
)
from ehf_sym.exact.functions import coordinates, relations
from ehf_sym.formulas.formula import format_formula, parse
from ehf_sym.formulas.numpy_forms import NumpyFormula, to_numpy
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.report import ResultTable
from ehf_sym.formulas.verdict import ZeroVerdict
from ehf_sym.lie.algebra_report import AlgebraReport
from ehf_sym.lie.disentangle import Disentanglement
from ehf_sym.lie.structure import LieStructure
from ehf_sym.symmetry.conditions import Conditions, InvariantFamily
from ehf_sym.symmetry.construction import InvariantHamiltonian, invariant_hamiltonian
from ehf_sym.symmetry.finite_symmetry import FiniteSymmetry
from ehf_sym.symmetry.frames import equivariant_fields
from ehf_sym.symmetry.invariance.report import (
    ElementVerdict,
    GeneratorVerdict,
    InvarianceError,
    InvarianceReport,
)
from ehf_sym.symmetry.invariants import Invariants
from ehf_sym.symmetry.lie_algebra import LieAlgebra
from ehf_sym.symmetry.symmetry import Symmetry
from ehf_sym.symmetry.symmetry_search import symmetries_of
from ehf_sym.zero.zero_test import is_zero

__all__ = [
    "ActionError",
    "AlgebraReport",
    "ArgumentError",
    "BaseDensity",
    "ClosureError",
    "ComplexScalarLattice",
    "Conditions",
    "Disentanglement",
    "EHFError",
    "ElementVerdict",
    "FiniteAction",
    "FiniteSymmetry",
    "FormulaError",
    "Gaussian",
    "GaussianFamily",
    "GeneratorVerdict",
    "InvarianceError",
    "InvarianceReport",
    "InvariantFamily",
    "InvariantHamiltonian",
    "Invariants",
    "IsotropicOscillator",
    "Kepler",
    "LieAlgebra",
    "LieStructure",
    "NumpyFlow",
    "NumpyFormula",
    "Particles",
    "PhaseSpace",
    "PointTransformation",
    "RelativeFrame",
    "ResultTable",
    "ScalarLattice",
    "SoftUniform",
    "StandardNormal",
    "Symmetry",
    "U1Lattice",
    "UndecidedError",
    "ZeroVerdict",
    "coordinates",
    "equivariant_fields",
    "format_formula",
    "groups",
    "invariant_hamiltonian",
    "is_zero",
    "named_symmetry",
    "parse",
    "relations",
    "symmetries_of",
    "to_numpy",
]


def __dir__() -> list[str]:
    return list(__all__)
