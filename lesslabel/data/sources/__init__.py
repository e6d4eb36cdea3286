"""The supported data layouts by name."""

from lesslabel.data.sources.acdc import ACDC
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.brats import BraTS
from lesslabel.data.sources.btcv import BTCV
from lesslabel.data.sources.chaos import CHAOS
from lesslabel.data.sources.datalist import Datalist
from lesslabel.data.sources.folder import Folder
from lesslabel.data.sources.hc18 import HC18
from lesslabel.data.sources.kits import KiTS
from lesslabel.data.sources.la import LA
from lesslabel.data.sources.medscribble import MedScribble
from lesslabel.data.sources.mscmr import MSCMR
from lesslabel.data.sources.msd import MSD
from lesslabel.data.sources.nnunet import NNUNet
from lesslabel.data.sources.npc import NPC
from lesslabel.data.sources.pancreas import Pancreas
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.sources.promise12 import PROMISE12
from lesslabel.data.sources.word import WORD

SOURCES: dict[str, type[Source]] = {
    source.name: source
    for source in (
        ACDC,
        MSCMR,
        LA,
        MSD,
        NPC,
        Pancreas,
        WORD,
        BraTS,
        BTCV,
        CHAOS,
        KiTS,
        HC18,
        PROMISE12,
        MedScribble,
        Phantom,
        Folder,
        NNUNet,
        Datalist,
    )
}
"""Every source by its name on the command line."""

__all__ = [
    "ACDC",
    "BTCV",
    "CHAOS",
    "HC18",
    "LA",
    "MSCMR",
    "MSD",
    "NPC",
    "PROMISE12",
    "SOURCES",
    "WORD",
    "BraTS",
    "Datalist",
    "Folder",
    "KiTS",
    "MedScribble",
    "NNUNet",
    "Pancreas",
    "Phantom",
    "RawCase",
    "Source",
]
