"""Mapped netlists: modules, flat designs, what loads a net."""
