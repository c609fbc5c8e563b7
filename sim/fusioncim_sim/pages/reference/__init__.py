"""The reference of the site, made from the code that it describes."""
