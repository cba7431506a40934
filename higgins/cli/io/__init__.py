"""Standard input and output of the commands, in any state."""
