"""The classic group protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup), in which a member computes the assignment.

KIP-62 (rebalance timeout), KIP-345 (static members), KIP-394 (member id required), KIP-814 (static leader).
"""
