"""Chaos: real processes are killed while a hostile provider takes their texts, and a judge reads its book.

places     the databases: a PostgreSQL server of our own that falls and rises again, or a file of SQLite
district   the families, and what is found out about some of them before and while texts leave
fleet      the processes, and the monkey that kills them by a plan made from one seed
outbound   a morning's texts under all of that; the judge of it
inbound    families' texts, each posted five times; the judge of it

`python -m tests.chaos --database postgresql --texts 2500 --kills 100 --restarts 5 --seed 7`
"""
