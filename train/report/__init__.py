"""What a fit came to, for people: single pictures here, the whole page in train/report/build.py."""

from train.report.charts import draw_confusion, draw_curves, draw_per_class

__all__ = ["draw_confusion", "draw_curves", "draw_per_class"]
