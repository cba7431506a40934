"""Families of metrics by what they are about. Each function yields whole families, in pieces of at most a few
hundred lines: between two pieces the loop may turn, so nothing is iterated over that a commit could change."""
