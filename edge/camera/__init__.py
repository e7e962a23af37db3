"""Cameras: each gives the newest picture of the tray, and refuses to give an old one."""
