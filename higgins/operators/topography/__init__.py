"""Topographies: the graph of streams and operators as a person writes it, checked whole and applied as one commit."""
