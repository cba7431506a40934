"""The Kafka surface: one API, one file. Handlers know the log, the ledger, groups and operators; never the store."""
