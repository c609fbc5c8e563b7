"""FusionCIM hardware generator in Amaranth HDL."""
