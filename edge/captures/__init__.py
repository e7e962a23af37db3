"""Captures: pictures of uncertain, novel and sampled items, kept on the bin's disk for a while.

capture.py   what is known of one: its item, and what a person said that it really was; stands in the picture's file
store.py     the folder they are in: bounded, listed, read, corrected, deleted
entry.py     what is kept in memory of each: to list and to count them needs no disk
field.py     how often the bin was right, by what people said
teach.py     what a person should name next, and how much is enough to retrain
compare.py   two models on what people named
keeper.py    chooses the items, takes their pictures, deletes what is too old; a full disk stops it and nothing else
picture.py   the tray region as a picture; nothing else of a frame is kept or sent
last_image.py  the newest item's picture for the broker, opt-in
messages.py  what goes over the control socket about them
commands.py  the commands of the control socket
"""
