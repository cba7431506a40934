"""The command line. Each command is a module that is imported when it runs. It talks to brokers with our own client."""
