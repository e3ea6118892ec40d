"""Every exception of symgraph, one class per kind of mistake.

The docstring of a class tells the cause and the cure; `docs/reference/errors.md`
is made from them. Messages are written where the mistake is found and hold the
operand names, their types, the user's file and line, and what to do. Each class
also derives from the built-in exception that NumPy or Theano raises for the same
mistake, so old ``except`` clauses go on working.
"""

import os
import sys
import typing
from difflib import get_close_matches

import numpy as np

_PACKAGE = os.path.dirname(os.path.realpath(__file__))
_LIBRARY = sys.__dict__.get("_stdlib_dir") or os.path.dirname(os.__file__)


class SymgraphError(Exception):
    """Any mistake that symgraph reports. Catch this to catch them all.

    The line of the user's program that met it stands below the text in a traceback (as
    a note), where the text does not name it.
    """

    def __init__(self, *args: typing.Any) -> None:
        super().__init__(*args)
        place = _calling_line()
        if place is not None and not any(place in str(text) for text in args):
            self.add_note(f"  met at {place}")


def _calling_line() -> str | None:
    """File and line of the nearest caller outside the package and Python's library."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        library = name.startswith(_LIBRARY) and "site-packages" not in name
        if not (library or name.startswith((_PACKAGE, "<frozen"))):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


class ShapeError(SymgraphError, ValueError):
    """Extents or ranks do not fit together.

    Cause: operands whose shapes cannot be combined, found while building the graph
    when extents are known, otherwise when the compiled function is called.
    Cure: transpose, reshape or `dimshuffle` the operand named in the message.
    """


class AxisError(ShapeError, IndexError):
    """An axis number lies outside the rank of its operand.

    Cure: use an axis in ``-ndim .. ndim - 1``.
    """


class DtypeError(SymgraphError, TypeError):
    """A dtype is unknown, or an operation is not defined for it.

    Cure: `cast` the operand to a dtype that the message lists.
    """


class ConversionError(SymgraphError, TypeError):
    """A Python object cannot become a symbolic variable or constant.

    Cure: pass a number, a NumPy array, a nested list of those, or a variable.
    """


class SymbolicValueError(SymgraphError, TypeError):
    """A symbolic variable was used where a concrete value is needed.

    Cause: ``if x > 0:``, ``range(x)``, ``float(x)``, ``for row in x``: the value is
    not known while the graph is built. Cure: `switch`, `arange`, or evaluate first.
    """


class MissingAttributeError(SymgraphError, AttributeError):
    """A variable has no attribute or method of that name.

    Cure: the message lists names that are alike; most functions of `symgraph.tensor` are
    methods as well.
    """

    def __init__(
        self, name: str = "", obj: typing.Any = None, known: typing.Any = ()
    ) -> None:
        # asked for by hasattr, too: the text is written only when it is read
        AttributeError.__init__(self, name=name, obj=obj)
        self.known = known

    def __str__(self) -> str:
        text, names = self.known(self.obj) if callable(self.known) else ("", [])
        near = get_close_matches(self.name or "", names, 3)
        cure = f"Did you mean {', '.join(near)}? " if near else ""
        return (
            f"a variable has no attribute {self.name!r}{text}\n{cure}Functions of "
            "symgraph.tensor take it as their first argument; a value of your own goes "
            "to x.tag."
        )


class IndexRangeError(SymgraphError, IndexError):
    """An index lies outside its axis.

    Cause: found while building the graph for constant indices, else at run time.
    Cure: bring the index into ``-extent .. extent - 1``.
    """


class ArgumentError(SymgraphError, ValueError):
    """An argument of a symgraph function has a value it does not accept.

    Cure: pass one of the values that the message lists.
    """


class InputError(SymgraphError, TypeError):
    """A call of a compiled function passes a value its input cannot take.

    Cause: wrong rank, a dtype that would lose data, too many or unknown arguments.
    Cure: convert the value, or compile with ``allow_input_downcast=True``.
    """


class MissingInputError(SymgraphError, TypeError):
    """A value was needed that nobody gave.

    Cause: the outputs depend on a variable that is neither an input nor shared, or a
    compiled function was called with too few arguments. Cure: add the input.
    """


class UnusedInputError(SymgraphError, ValueError):
    """An input of `function` takes no part in outputs or updates.

    Cure: remove it, or pass ``on_unused_input="ignore"``.
    """


class UpdateError(SymgraphError, TypeError):
    """An update does not fit its shared variable.

    Cause: another dtype or rank, the same variable updated twice, or a target that is
    not shared. Cure: `cast` the new value, or name each shared variable once.
    """


class GivensError(SymgraphError, ValueError):
    """The ``givens`` of `function` cannot be carried out.

    Cause: a cycle among replacements, or a replacement of another type.
    Cure: replace by expressions that do not contain the replaced variable.
    """


class ModeError(SymgraphError, ValueError):
    """The compilation mode or device is unknown. Cure: use one the message lists."""


class ConfigError(SymgraphError, ValueError):
    """A setting is unknown or has a value outside its choices."""


class GradientError(SymgraphError, TypeError):
    """A gradient was asked that is not defined.

    Cause: the cost is no scalar or no float, or an operation has no derivative.
    Cure: reduce the cost to a scalar (`mean`), or use `disconnected_grad`.
    """


class UserOpError(SymgraphError, TypeError):
    """An op of the user does not keep what its other methods promise.

    Cause: `make_node` gives no `Apply`; `perform` writes another dtype, rank or shape
    than `make_node` and `infer_shape` tell; a method returns the wrong number of values.
    The message names the op, the output, and the line of the method.
    Cure: make the methods agree.
    """


class DisconnectedInputError(SymgraphError, ValueError):
    """The cost does not depend on a variable of ``wrt``.

    Cure: check the expression, or pass ``disconnected_inputs="ignore"``.
    """


class VerifyGradError(SymgraphError, AssertionError):
    """A symbolic gradient and finite differences disagree."""


class GraphError(SymgraphError, ValueError):
    """A graph breaks the rules that every graph obeys (a cycle, a foreign node)."""


class RewriteError(SymgraphError, RuntimeError):
    """A rewrite rule is malformed, or changed the type of what it replaced."""


class RuleError(SymgraphError, AssertionError):
    """`check_rule` found that a rewrite rule does not hold, or never fires.

    The message has the expression before and after, the operands, and both values.
    Cure: mend the formula, give the condition under which it holds as ``when=``, or the
    NaN label that is true.
    """


class KernelError(SymgraphError, ValueError):
    """A Kernel IR tree is not well formed. It is a defect of a lowering pass."""


class ProgramError(SymgraphError, ValueError):
    """The steps of a program are not well formed. It is a defect of a lowering pass."""


class BackendError(SymgraphError, RuntimeError):
    """The machine code could not be made or loaded.

    Cause: a version of Numba or llvmlite that is not supported, or a broken
    installation. Cure: see the versions in the message and ``symgraph doctor``.
    """


class NotSupportedError(SymgraphError, NotImplementedError):
    """The request is understood and not supported. The message says what is."""


class DeviceError(SymgraphError):
    """A value or a function is on another device than asked for, or cannot be there.

    Cause: a shared variable was made for one device and is used by a function for
    another. Cure: `shared(value, device=...)`, or set ``config.device`` before the model
    is made.
    """


class LinearAlgebraError(SymgraphError, np.linalg.LinAlgError):
    """A matrix has not the property that an operation of linear algebra needs.

    Cause: a singular matrix is inverted, one that is not positive definite is given to
    `cholesky`, or an iteration does not converge (NaN in the matrix). Cure: add a small
    multiple of the identity; use `pinv` or `lstsq`; ``Cholesky(on_error="nan")``.
    """


class NotScalarConstantError(ArgumentError):
    """A number was expected that is known while the graph is built.

    Cause: the expression depends on an input or a shared variable, or is no scalar.
    Cure: pass a number or a constant.
    """


class MissingTestValueError(SymgraphError, AttributeError):
    """With ``theano.config.compute_test_value`` on, a variable has no test value.

    Cure: set ``x.tag.test_value`` before the variable is used, or turn the flag off.
    """


class NaNError(SymgraphError, FloatingPointError):
    """DEBUG mode met a NaN that no input contained. The message names the node."""


class DebugError(SymgraphError, AssertionError):
    """DEBUG mode found compiled code and reference to disagree at a node."""


class DataError(SymgraphError, ValueError):
    """A data file or model file is damaged or not what its name says.

    Cure: fetch or write the file again; the message tells what was expected.
    """


class LockstepError(SymgraphError, RuntimeError):
    """A generated CUDA kernel did something that is undefined on a GPU."""


class CacheWarning(UserWarning):
    """The cache of compiled code is not used; everything works, start-up is slower."""


class SymgraphWarning(UserWarning):
    """Something was done that the user may not have meant."""
