"""Energy from what every net does: switching, transitions, clock tree."""
