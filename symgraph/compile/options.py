"""The settings that a function is compiled with, captured when it is made."""

from symgraph.backends.base import Options
from symgraph.backends.registry import checked
from symgraph.config import config
from symgraph.rewrite.registry import present


def present_options(
    device: str | None = None, debug: bool = False, optimize: bool = True
) -> Options:
    """The options of a function that is made now.

    Parameters
    ----------
    device : where it runs; None for the setting
    debug : verify the program and have its kernels check their accesses
    optimize : run all passes, as the mode says

    Raises
    ------
    NotSupportedError, ModeError : there is no such device
    """
    return Options(
        checked(config.device if device is None else device), config.blas,
        config.winograd, config.floatX, "bounds" if debug else config.verify,
        config.cache, present(), optimize,
    )  # fmt: skip
