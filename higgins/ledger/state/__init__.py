"""State and its facets: one noun a file, each with its facts, its validation and its fold. Pure."""
