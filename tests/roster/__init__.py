"""The school's files: what they say, what is refused, and what an import leaves behind."""
