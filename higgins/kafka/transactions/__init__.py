"""Transactions, as tools look for them."""
