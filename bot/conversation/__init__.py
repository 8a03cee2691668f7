"""The conversation, pure: no clock, database, network, framework or translation."""
