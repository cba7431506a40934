"""Handlers of administrative APIs: configs, sizes, elections, reassignments. The use cases are in `higgins.admin`."""
