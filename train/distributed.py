"""One process or several: who this one is among them, and what they do together.

`torchrun --nproc-per-node N -m train fit ...` starts N processes and sets RANK, WORLD_SIZE and LOCAL_RANK; without it
there is one. The processes share each batch and average their gradients (torch.nn.parallel.DistributedDataParallel).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import cv2
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from edge.errors import ConfigError

_BF16_FEATURES = {"avx512_bf16", "amx_bf16", "bf16"}
"""Of x86 and of Arm processors, as torch names them."""


@dataclass(frozen=True)
class World:
    """This process's place. rank: 0 is the one that writes and speaks. device: where its tensors live."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks to the person who waits."""
        return self.rank == 0

    def share(self, module: nn.Module) -> nn.Module:
        """`module` with gradients averaged over all processes; itself where there is one."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, broadcast_buffers=False)  # batch norm never moves: nothing to broadcast

    def total(self, values: list[float]) -> list[float]:
        """Each value summed over all processes."""
        if self.size == 1:
            return values
        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(summed)
        return [float(value) for value in summed]

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def joined(threads: int) -> Iterator[World]:
    """Join the other processes, if torchrun started any, and leave them at the end."""
    torch.set_num_threads(threads)
    # The forked workers share the cores among them, and OpenCV's own threads would not survive the fork.
    cv2.setNumThreads(1)
    size, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if size == 1:
        yield World(0, 1, device)
        return
    distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield World(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()


def refuse_several(command: str) -> None:
    """For a command that makes many fits one after the other.

    Raises:
        ConfigError: torchrun started several processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(f"{command} is no command for torchrun; share its fits among machines with --only instead")


def mixed_precision(wanted: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype:
    """The type in which convolutions multiply. auto: bfloat16 where the hardware has instructions for it.

    bfloat16 has float32's range, so no loss scaling is needed (Kalamkar et al. 2019). On a processor without the
    instructions it is emulated, slower than float32.
    """
    if wanted != "auto":
        return torch.float32 if wanted == "float32" else torch.bfloat16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    features = {name for name, present in torch.cpu.get_capabilities().items() if present}
    return torch.bfloat16 if features & _BF16_FEATURES else torch.float32


def mixed(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """A context in which convolutions multiply in `precision`; float32: nothing changes."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)
