"""A first recipe, written from a teacher and a file of rows."""
