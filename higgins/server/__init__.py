"""Listeners and connections: bytes in, frames to a callable, answers out in order. Knows no handler and no message."""
