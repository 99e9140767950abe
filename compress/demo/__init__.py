"""The demonstration: a data set that the project writes itself."""
