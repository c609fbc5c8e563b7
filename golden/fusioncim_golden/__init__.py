"""NumPy golden model of FusionCIM."""
