"""Parts that every unit uses: arithmetic, banks of memory, a serial multiplier, a serial port."""
