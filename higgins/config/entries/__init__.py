"""Kafka's config entries: the tables of all entries with their types, defaults and domains, and the rules for changes.

Pure data and functions; `higgins.admin.configs` knows which values are in effect, and changes them.
"""
