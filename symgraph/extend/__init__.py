"""What users add: ops in Theano's form, ops of graphs, ops of Python functions, rules."""
