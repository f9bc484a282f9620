"""Pictures of training and of densities: each function draws on `ax`, or a new one, and returns it.

Nothing is shown or saved here: that is the caller's. Fields wear perceptually uniform color maps.
"""

from ehf_num.plotting.arguments import grid
from ehf_num.plotting.curves import (
    OKABE_ITO,
    plot_constraint,
    plot_learning_curves,
    plot_multipliers,
    plot_trace,
)
from ehf_num.plotting.diagnosis import plot_diagnosis
from ehf_num.plotting.fields import plot_density, plot_field, plot_samples, plot_vector_field
from ehf_num.plotting.symmetry_cost import plot_symmetry_cost

__all__ = [
    "OKABE_ITO",
    "grid",
    "plot_constraint",
    "plot_density",
    "plot_diagnosis",
    "plot_field",
    "plot_learning_curves",
    "plot_multipliers",
    "plot_samples",
    "plot_symmetry_cost",
    "plot_trace",
    "plot_vector_field",
]
