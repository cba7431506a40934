"""ACLs, quotas and credentials, none of which are supported yet."""
