"""Symmetries of phase-space densities as formulas: declared, proved, written out."""

from ehf_sym.action import FiniteAction
from ehf_sym.algebra_report import AlgebraReport
from ehf_sym.bridge import NumpyFlow, NumpyFormula, to_numpy
from ehf_sym.conditions import Conditions, InvariantFamily
from ehf_sym.construction import InvariantHamiltonian, invariant_hamiltonian
from ehf_sym.densities import BaseDensity
from ehf_sym.disentanglement import Disentanglement
from ehf_sym.errors import (
    ActionError,
    ArgumentError,
    ClosureError,
    EHFError,
    FormulaError,
    UndecidedError,
)
from ehf_sym.exact.span import coordinates, relations
from ehf_sym.formula import format_formula, parse
from ehf_sym.frames import equivariant_fields
from ehf_sym.gaussian import Gaussian
from ehf_sym.gaussian_families import GaussianFamily
from ehf_sym.invariance_report import GeneratorVerdict, InvarianceError, InvarianceReport
from ehf_sym.invariants import Invariants
from ehf_sym.lie.structure import LieStructure
from ehf_sym.lie_algebra import LieAlgebra
from ehf_sym.phase_space import PhaseSpace
from ehf_sym.standard_densities import SoftUniform, StandardNormal
from ehf_sym.symmetries import groups
from ehf_sym.symmetries.catalogue import named_symmetry
from ehf_sym.symmetries.lattice import ComplexScalarLattice
from ehf_sym.symmetries.particles import Particles
from ehf_sym.symmetries.point_transformation import PointTransformation
from ehf_sym.symmetries.systems import IsotropicOscillator, Kepler
from ehf_sym.symmetry_search import symmetries_of
from ehf_sym.verdict import ZeroVerdict
from ehf_sym.zero_test import is_zero

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
    "FiniteAction",
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
    "SoftUniform",
    "StandardNormal",
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
