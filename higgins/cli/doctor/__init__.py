"""`higgins doctor`: checks for problems of clients and brokers, each with its consequence and its fix."""
