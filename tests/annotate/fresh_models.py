"""Small models with fresh weights, for the page; their answers mean nothing, but for those that are set."""

import torch

from lesslabel.methods import MMIIS, KnifeCut
from lesslabel.networks import UNet


def mmiis() -> MMIIS:
    torch.manual_seed(0)
    network = UNet(channels=(4, 8), encoder_dropout=(0.0, 0.0), normalisation="instance")
    return MMIIS(size_voxel=(32, 32), width=6, normalisation="instance", network=network)


def knife_cut() -> KnifeCut:
    """Locally it keeps what is there, globally it takes the whole slice."""
    torch.manual_seed(0)
    network = UNet(channels=(4, 8), encoder_dropout=(0.0, 0.0), normalisation="instance")
    method = KnifeCut(stride=2, width=4, depth=3, normalisation="instance", network=network)
    for block, logit in {"repair_local": -1e4, "repair_global": 1e4, "refine_global": 2.0}.items():
        last = method.cutter.blocks[block].later[-1]
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.constant_(last.bias, logit)
    return method
