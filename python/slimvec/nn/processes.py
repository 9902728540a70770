"""How many processes train together: what is not shared by gradients of parameters has to be refused."""

from __future__ import annotations

import torch


def n_processes() -> int:
    """Return the number of processes of ``torch.distributed``, 1 where it is not in use."""
    distributed = torch.distributed
    if not distributed.is_available() or not distributed.is_initialized():
        return 1
    return int(distributed.get_world_size())
