"""Pages that show the stored figures: tables of the documentation, pictures, the HTML report."""
