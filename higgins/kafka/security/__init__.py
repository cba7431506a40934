"""Rules of access, quotas and credentials, answered by a broker that keeps none."""
