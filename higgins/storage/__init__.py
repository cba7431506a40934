"""Bytes under keys. Knows no offset, topic or fact."""
