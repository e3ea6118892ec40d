"""The CPU backend: LLVM text, one Numba compilation, native call."""
