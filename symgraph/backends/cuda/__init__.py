"""CUDA: kernels as text in the dialect that both Numba CUDA compilers accept."""
