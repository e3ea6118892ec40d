"""Training: the loop, its measures, saved models, progress, curves, the command line.

In: compiled functions and NumPy arrays.  Out: histories, files, text.
"""

from symgraph.train.checkpoint import Model, load_model, save_model
from symgraph.train.curve import plot_history
from symgraph.train.loop import EpochRecord, History, fit
from symgraph.train.metrics import (
    accuracy,
    confusion_matrix,
    r2_score,
    top_k_accuracy,
)
from symgraph.train.progress import Progress

__all__ = [
    "EpochRecord",
    "History",
    "Model",
    "Progress",
    "accuracy",
    "confusion_matrix",
    "fit",
    "load_model",
    "plot_history",
    "r2_score",
    "save_model",
    "top_k_accuracy",
]
