"""Logs, metrics and process figures."""
