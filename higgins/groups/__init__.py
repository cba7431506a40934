"""Consumer groups: pure machines of the classic protocol, and the coordinator that drives them.

Refuses to store anything itself: what must survive is a proposal to the ledger, and what need not is forgotten.
"""
