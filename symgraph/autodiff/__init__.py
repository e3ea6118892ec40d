"""How a graph is differentiated."""
