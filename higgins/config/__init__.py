"""Where settings come from: a TOML file, environment variables and flags; and the tables of Kafka's config entries.

No room of the broker is known here. `higgins.settings` defines which keys exist and combines the values.
"""
