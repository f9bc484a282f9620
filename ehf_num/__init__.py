"""Equivariant Hamiltonian flows, learned on the CPU with NumPy and autograd.

Plots live in `ehf_num.plotting`, which is imported on its own: this package does not import
matplotlib.
"""

from ehf_num.densities.check_encoder import EncoderCheck, EncoderReport, check_encoder
from ehf_num.densities.commutant_encoder import CommutantEncoder
from ehf_num.densities.encoder import Encoder, GaussianEncoder
from ehf_num.densities.orbit_encoder import OrbitEncoder
from ehf_num.engine.adam import Adam, AdamSettings
from ehf_num.engine.engine import Engine
from ehf_num.engine.parallel import cores, set_threads
from ehf_num.files.archive import ModelFileError
from ehf_num.files.atomic import atomic_write
from ehf_num.files.readers import read_points, write_points
from ehf_num.files.result import History, TrainingRecord, TrainingResult, versions
from ehf_num.files.table import DataFileError
from ehf_num.hamiltonian.flow import HamiltonianFlow
from ehf_num.hamiltonian.formula_energy import FormulaEnergy
from ehf_num.hamiltonian.hamiltonian import NetworkHamiltonian, NonSeparable
from ehf_num.hamiltonian.implicit import (
    Euler,
    ExtendedPhaseSpace,
    ImplicitMidpoint,
    InversionError,
)
from ehf_num.hamiltonian.integrators import (
    BlanesMoan4,
    Dilated,
    Leapfrog,
    LearnedStep,
    Yoshida4,
)
from ehf_num.hamiltonian.part_checks import check_energy, check_hamiltonian, check_integrator
from ehf_num.hamiltonian.part_probe import PartCheck, PartReport
from ehf_num.hamiltonian.protocols import (
    Energy,
    Hamiltonian,
    Integrator,
    LearnedIntegrator,
    ProvedEnergy,
    ProvedHamiltonian,
)
from ehf_num.inference.chains import IndependenceChain, MissingModes, Polished
from ehf_num.inference.estimate import LikelihoodEstimate, LikelihoodWarning
from ehf_num.inference.weighing import WeightedDraws, WeightedMean
from ehf_num.model.diagnosis import Check, Diagnosis, diagnose
from ehf_num.model.estimator import SymmetricDensity
from ehf_num.model.model import EquivariantHamiltonianFlow
from ehf_num.model.persistence import load
from ehf_num.model.symmetry_cost import ModeScore, SymmetryCost, symmetry_cost
from ehf_num.reproduce.records import RecordError
from ehf_num.reproduce.sweep import Outcome, Spec, executor_at, sweep
from ehf_num.symmetry.action import NumericalAction, finite_action
from ehf_num.symmetry.audit import Audit, Counterexample, Defects, audit
from ehf_num.symmetry.conserved import Candidate, ConservedQuantities, conserved_quantities
from ehf_num.symmetry.discovery import DiscoveredSymmetries, Reflection, discover_symmetries
from ehf_num.symmetry.lift import Lifted
from ehf_num.symmetry.orbit_sum import OrbitSum
from ehf_num.symmetry.orbits import OrbitSampler, orbit_sampler
from ehf_num.targets.annealing import Normalizer, annealed_importance
from ehf_num.targets.datasets import Target, modes_on_circle, rings, shells
from ehf_num.targets.energy_base import EnergyBase, energy_base
from ehf_num.targets.hmc import hmc_step
from ehf_num.targets.particle_energies import DoubleWell, LennardJones
from ehf_num.targets.phase_orbits import phase_orbits
from ehf_num.targets.target_energy import TargetEnergy
from ehf_num.targets.tempering import TemperedDraws, parallel_tempering
from ehf_num.training.bounds import TrainingObjective
from ehf_num.training.constraint import Penalty
from ehf_num.training.learning_rate import LearningRateSchedule
from ehf_num.training.penalty_checks import check_penalty
from ehf_num.training.training import StopTraining, TrainingWarning
from ehf_sym.errors import ActionError, DataWarning, EngineWarning

__all__ = [
    "ActionError",
    "Adam",
    "AdamSettings",
    "Audit",
    "BlanesMoan4",
    "Candidate",
    "Check",
    "CommutantEncoder",
    "ConservedQuantities",
    "Counterexample",
    "DataFileError",
    "DataWarning",
    "Defects",
    "Diagnosis",
    "Dilated",
    "DiscoveredSymmetries",
    "DoubleWell",
    "Encoder",
    "EncoderCheck",
    "EncoderReport",
    "Energy",
    "EnergyBase",
    "Engine",
    "EngineWarning",
    "EquivariantHamiltonianFlow",
    "Euler",
    "ExtendedPhaseSpace",
    "FormulaEnergy",
    "GaussianEncoder",
    "Hamiltonian",
    "HamiltonianFlow",
    "History",
    "ImplicitMidpoint",
    "IndependenceChain",
    "Integrator",
    "InversionError",
    "Leapfrog",
    "LearnedIntegrator",
    "LearnedStep",
    "LearningRateSchedule",
    "LennardJones",
    "Lifted",
    "LikelihoodEstimate",
    "LikelihoodWarning",
    "MissingModes",
    "ModeScore",
    "ModelFileError",
    "NetworkHamiltonian",
    "NonSeparable",
    "Normalizer",
    "NumericalAction",
    "OrbitEncoder",
    "OrbitSampler",
    "OrbitSum",
    "Outcome",
    "PartCheck",
    "PartReport",
    "Penalty",
    "Polished",
    "ProvedEnergy",
    "ProvedHamiltonian",
    "RecordError",
    "Reflection",
    "Spec",
    "StopTraining",
    "SymmetricDensity",
    "SymmetryCost",
    "Target",
    "TargetEnergy",
    "TemperedDraws",
    "TrainingObjective",
    "TrainingRecord",
    "TrainingResult",
    "TrainingWarning",
    "WeightedDraws",
    "WeightedMean",
    "Yoshida4",
    "annealed_importance",
    "atomic_write",
    "audit",
    "check_encoder",
    "check_energy",
    "check_hamiltonian",
    "check_integrator",
    "check_penalty",
    "conserved_quantities",
    "cores",
    "diagnose",
    "discover_symmetries",
    "energy_base",
    "executor_at",
    "finite_action",
    "hmc_step",
    "load",
    "modes_on_circle",
    "orbit_sampler",
    "parallel_tempering",
    "phase_orbits",
    "read_points",
    "rings",
    "set_threads",
    "shells",
    "sweep",
    "symmetry_cost",
    "versions",
    "write_points",
]


def __dir__() -> list[str]:
    return list(__all__)
