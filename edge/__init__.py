"""The bin: camera, model, mechanism, MQTT. Never imports torch."""

__version__ = "0.1.0"
