"""HTTP surfaces. Optional, off by default, and read-only: nothing here changes anything."""
