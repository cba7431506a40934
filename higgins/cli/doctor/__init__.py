"""`higgins doctor`: what keeps clients or a broker from working here, each with why it matters and what to do."""
