"""Consumer groups: one pure state machine per group, and the coordinator that drives the machines of this node.

`machine` is the port of a group protocol and `registry` lists the protocols; each protocol is a package of its own
(`classic`). `coordinator` is what handlers call; it consists of `leases` (which groups run on this node), `requests`
(from a request to a machine and back), `queries` (what can be read) and `upkeep` (timers, stalls, unused groups).

Nothing is stored here: what must survive is proposed to the ledger, and everything else may be lost with the node.
"""
