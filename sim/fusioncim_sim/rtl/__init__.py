"""Simulation of the RTL: builds, benches, memory and driver, runs of an engine and of the chip."""
