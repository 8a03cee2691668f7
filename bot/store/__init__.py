"""Everything that is kept: the tables, and the transaction they are reached through."""
