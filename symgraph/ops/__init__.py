"""What can be computed: one file per family, an op beside its adjoint."""
