"""The one sentence of a broker without an authorizer."""

MESSAGE = "No authorizer is configured: everybody may do everything, and rules of access are not kept."
