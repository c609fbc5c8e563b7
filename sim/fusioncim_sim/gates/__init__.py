"""Simulation of mapped netlists: what every net does, and the energy that follows."""
