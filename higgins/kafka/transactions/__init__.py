"""Transactions, which are not supported yet, as administration tools ask for them."""
