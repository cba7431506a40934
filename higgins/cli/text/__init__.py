"""What people write on the command line, and how records, examples and mistakes are written for them."""
