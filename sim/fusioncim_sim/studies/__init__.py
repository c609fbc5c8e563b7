"""One file for every figure in `measurements/`: what it measures, its keys, its table."""
