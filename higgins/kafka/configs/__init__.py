"""Kafka's config entries: one table of what there is, what it means here, and what stands where it is not set."""
