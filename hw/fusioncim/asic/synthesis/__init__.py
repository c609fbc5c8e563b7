"""Mapping on cells: recipe, buffers, banks of latches and flip-flops."""
