"""What the commands print: a page per command, tables for all of them."""
