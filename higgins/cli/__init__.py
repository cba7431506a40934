"""The command line. Each command is a module, imported when it is run; it speaks to brokers with our own client."""
