"""`python -m edge simulate`: every named fault caused in the simulated bin, very many items, or many bins, and what
became of it.

bin.py        the bin as on a real one, in simulated time, with handles on what can fail
brokers.py    brokers that say no
arrange.py    changes to its config before a scenario
causes.py     how each fault is caused, and its cause taken away
scenarios.py  the table: fault, cause, what the bin must do
trial.py      causes one, watches, mends it, and judges
soak.py       very many items: what grows, what slows down
plot.py       curves as a picture
small_footage.py  the tray, small, for soaks
fleet/        many bins at a real broker, to size it
"""
