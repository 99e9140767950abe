"""Write a first recipe from a teacher and a file of rows."""
