"""Callbacks of `fit`: what stops a training, sets its rate, saves and shows it."""

from symgraph.train.callbacks.base import Callback, Lambda, Run
from symgraph.train.callbacks.logs import CSVLogger, LivePlot
from symgraph.train.callbacks.rates import (
    Cosine,
    Exponential,
    LearningRateSchedule,
    Linear,
    OneCycle,
    ReduceLROnPlateau,
    Stairs,
    WarmUp,
)
from symgraph.train.callbacks.saving import Interruptible, ModelCheckpoint, Resume
from symgraph.train.callbacks.stopping import EarlyStopping, TerminateOnNaN
from symgraph.train.callbacks.tensorboard import TensorBoard

__all__ = [
    "CSVLogger",
    "Callback",
    "Cosine",
    "EarlyStopping",
    "Exponential",
    "Interruptible",
    "Lambda",
    "LearningRateSchedule",
    "Linear",
    "LivePlot",
    "ModelCheckpoint",
    "OneCycle",
    "ReduceLROnPlateau",
    "Resume",
    "Run",
    "Stairs",
    "TensorBoard",
    "TerminateOnNaN",
    "WarmUp",
]
