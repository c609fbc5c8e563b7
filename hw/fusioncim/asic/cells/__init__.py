"""The cell library: Liberty files, Boolean functions, lookup tables, models for simulation."""
