"""Models of the memory banks: technology, macros, rows of arrays, Liberty views."""
