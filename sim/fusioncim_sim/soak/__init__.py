"""Soak: random chips, jobs, memories, faults and stops, each bit against the golden model; what fails is made small."""
