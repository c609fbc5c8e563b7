"""What software needs of a chip: its registers, the records of its jobs, and a driver in C, as files."""
