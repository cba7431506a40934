"""The ledger: facts in numbered commits, folded into State by every node alike."""
