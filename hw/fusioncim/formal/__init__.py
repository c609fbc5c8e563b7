"""Proofs about the RTL: properties in Amaranth, decided for every reachable state of a small configuration."""
