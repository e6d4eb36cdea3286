"""The public layouts that cases are read from, by name."""

from lesslabel.data.sources.acdc import ACDC
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.folder import Folder
from lesslabel.data.sources.la import LA
from lesslabel.data.sources.mscmr import MSCMR
from lesslabel.data.sources.msd import MSD
from lesslabel.data.sources.npc import NPC
from lesslabel.data.sources.pancreas import Pancreas
from lesslabel.data.sources.phantom import Phantom

SOURCES: dict[str, type[Source]] = {
    source.name: source for source in (ACDC, MSCMR, LA, MSD, NPC, Pancreas, Phantom, Folder)
}
"""Every source by the name that the command line takes."""

__all__ = ["ACDC", "LA", "MSCMR", "MSD", "NPC", "SOURCES", "Folder", "Pancreas", "Phantom", "RawCase", "Source"]
