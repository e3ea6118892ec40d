"""Training: models, their callbacks and measures, files, curves, the command line.

In: layers and data.  Out: trained parameters, histories, files, text.
"""

from symgraph.train.checkpoint import SavedNetwork, load_model, save_model
from symgraph.train.curve import plot_history
from symgraph.train.history import History
from symgraph.train.metrics import (
    accuracy,
    confusion_matrix,
    r2_score,
    top_k_accuracy,
)
from symgraph.train.model import Model
from symgraph.train.progress import Progress

__all__ = [
    "History",
    "Model",
    "Progress",
    "SavedNetwork",
    "accuracy",
    "confusion_matrix",
    "load_model",
    "plot_history",
    "r2_score",
    "save_model",
    "top_k_accuracy",
]
