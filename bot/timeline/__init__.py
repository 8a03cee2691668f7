"""Everything that happened with one family as one list; and the threads the simulated phones show."""
