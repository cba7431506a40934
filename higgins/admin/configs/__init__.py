"""Configs of topics, brokers, groups and client metrics: which values are in effect, and how to change them."""
