"""The setup tab: a guided first run, and what can be changed later, checked and undone by the daemon.

form.py    the form, from what the daemon says is set up
routes.py  what the form asks for
setup.js   the tray drawn by mouse and finger, rows of compartments, what is sent
"""
