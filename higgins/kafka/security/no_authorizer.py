"""The error message of a broker without an authorizer."""

MESSAGE = "No authorizer is configured: every client may do everything, and ACLs are not stored."
