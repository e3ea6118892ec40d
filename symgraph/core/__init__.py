"""What a graph is: dtypes, types, nodes, ops, and how they print."""
