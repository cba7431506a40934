"""The requests and responses that Higgins serves, one module for each API: names, types, versions and Kafka's defaults.

A module declares its messages and, at its end, the row `API`. `apis` collects the rows, so a new API is a new module.
"""
