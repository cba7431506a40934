"""The nouns that more than one room speaks of: names, pointers, errors. No behaviour, no I/O."""
