"""The one place that imports torchvision: `from export.torchvision_compat import models`.

torchvision's wheel from the package index carries compiled operators built against the CUDA build of torch. Beside
torch's CPU build that library does not load, and `import torchvision` fails with
`operator torchvision::nms does not exist`, because it attaches Python code to operators that nobody declared.
Declaring their schemas first is enough: a classifier runs neither of them.
"""

from __future__ import annotations

import torch

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
# Kept in a name for the life of the program: the declarations are withdrawn when the object is collected.
_declared = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]


def _declare(operator: str) -> None:
    try:
        _declared.define(operator + _SIGNATURE)  # type: ignore[no-untyped-call]
    except RuntimeError as error:  # a torchvision whose own library did load has declared it already
        if "multiple times" not in str(error):
            raise


_declare("nms")
_declare("qnms")

from torchvision import models  # noqa: E402  (only possible after the declarations above)

__all__ = ["models"]
