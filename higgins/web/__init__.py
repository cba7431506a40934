"""HTTP: an app made of routes (starlette), served on the node's event loop. Optional, off by default, read-only."""
