"""How a teacher becomes an edge model: recipe, stages, pipeline, reports and command line."""
