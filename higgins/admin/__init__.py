"""Use cases in model types: what the Kafka API, the private API and HTTP all do. No request or response class is known.

Validation, limits and messages are here. What belongs to a wire format (versions, null arrays, the order of rows) stays
in the surface.
"""
