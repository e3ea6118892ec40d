"""How a graph becomes loops: Kernel IR, fusion, loop nests, memory, program."""
