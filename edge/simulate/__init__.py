"""`python -m edge simulate`: every named fault caused in the simulated bin, and what the bin made of it.

bin.py        the bin as on a real one, in simulated time, with handles on what can fail
brokers.py    brokers that say no
arrange.py    changes to its config before a scenario
scenarios.py  how each fault is caused and mended
trial.py      causes one, watches, mends it, and judges
"""
