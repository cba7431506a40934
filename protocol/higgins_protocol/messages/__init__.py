"""Every message the broker speaks, one module for each API. Declarations only: layout, names and Kafka's defaults."""
