"""Higgins: a Kafka broker whose only state is object storage, with stream operators inside it."""

__version__ = "0.1.0"
