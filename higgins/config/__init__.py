"""Where settings come from: a TOML file, the environment and flags, each value with the place it was given at.

Knows no room: it reads, merges and complains. `higgins.settings` says which keys exist and what they become.
"""
