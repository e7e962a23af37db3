"""Files for dashboards that exist, made from the catalogue of topics (edge/mqtt/catalogue.py)."""
