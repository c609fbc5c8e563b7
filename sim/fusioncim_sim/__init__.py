"""FusionCIM simulation parts and command line."""
