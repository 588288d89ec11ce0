"""mmflow: a routing language for teams that run several language models, its compiler and its runtime."""

__version__ = "0.1.0"
