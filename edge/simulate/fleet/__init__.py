"""`python -m edge simulate --bins N`: N bins of one process at a real broker, and what they cost it. docs/scale.md.

plan.py      what is asked for, and whether this machine can
items.py     what simulated bins sort
bin.py       one of them: a real session and journal, an item now and then
crowd.py     all of them, on one thread
tally.py     what they send, by topic and on the wire
listener.py  a process that hears all events and keeps when, as a database would
broker.py    a Mosquitto of one's own, which can be restarted; what a broker on this machine uses
judge.py     what was delivered, lost, and came twice, and when
trial.py     one size, from the first connection to the last goodbye
command.py   all sizes: table, report, plot
document.py  the figures of docs/scale.md, from reports
"""
