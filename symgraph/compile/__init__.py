"""From a graph to a callable: the only floor that knows all below."""
