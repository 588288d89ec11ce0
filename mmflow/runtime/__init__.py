"""Runs plans: the executor, its events, and the seams to time, randomness and the network."""
