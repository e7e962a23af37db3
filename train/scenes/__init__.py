"""Training pictures of a bin: a cut-out item laid on another tray, under another lamp, seen by another camera."""
