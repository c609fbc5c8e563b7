"""Cache of what was built, and the processes that build."""
