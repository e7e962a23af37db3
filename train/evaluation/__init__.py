"""A bundle as it ships, on photographs: right and wrong, calibrated or not, sorted or held back, novel or known."""
