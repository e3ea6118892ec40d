"""Backends: one folder each, turning Kernel IR into something that runs."""
