"""Why a figure is what it is: `edgepress budget explain`."""
