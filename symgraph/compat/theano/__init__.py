"""The names of Theano 1.0: names.py lists them, the other files adapt what differs."""
