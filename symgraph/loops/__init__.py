"""Loops and branches: ops with inner graphs (scan, ifelse) and what is made of them."""
