"""Types shared by several packages: names, pointers, errors, figures, futures. No I/O."""
