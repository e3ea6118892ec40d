"""Lockstep: a device without hardware, which interprets a GPU's kernels."""
