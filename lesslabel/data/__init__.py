"""Cases, the prepared store, views, splits and the data modules."""

from typing import TYPE_CHECKING

from lesslabel.lazy import lazy_names

if TYPE_CHECKING:
    from lesslabel.data.case import IGNORE, Annotation, Case, Kind
    from lesslabel.data.loading.augment import Augmentation
    from lesslabel.data.loading.intensity import Intensity
    from lesslabel.data.loading.module import SegmentationDataModule
    from lesslabel.data.loading.modules import (
        ACDCDataModule,
        BraTSDataModule,
        BTCVDataModule,
        CHAOSDataModule,
        DatalistDataModule,
        FolderDataModule,
        HC18DataModule,
        KiTSDataModule,
        LADataModule,
        MedScribbleDataModule,
        MSCMRDataModule,
        MSDDataModule,
        NNUNetDataModule,
        NPCDataModule,
        PancreasDataModule,
        PhantomDataModule,
        PROMISE12DataModule,
        WORDDataModule,
    )
    from lesslabel.data.store import Store
    from lesslabel.data.view import Supervision, View

__all__ = [
    "IGNORE",
    "ACDCDataModule",
    "Annotation",
    "Augmentation",
    "BTCVDataModule",
    "BraTSDataModule",
    "CHAOSDataModule",
    "Case",
    "DatalistDataModule",
    "FolderDataModule",
    "HC18DataModule",
    "Intensity",
    "KiTSDataModule",
    "Kind",
    "LADataModule",
    "MSCMRDataModule",
    "MSDDataModule",
    "MedScribbleDataModule",
    "NNUNetDataModule",
    "NPCDataModule",
    "PROMISE12DataModule",
    "PancreasDataModule",
    "PhantomDataModule",
    "SegmentationDataModule",
    "Store",
    "Supervision",
    "View",
    "WORDDataModule",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "IGNORE": "lesslabel.data.case",
        "Annotation": "lesslabel.data.case",
        "Case": "lesslabel.data.case",
        "Kind": "lesslabel.data.case",
        "Augmentation": "lesslabel.data.loading.augment",
        "Intensity": "lesslabel.data.loading.intensity",
        "SegmentationDataModule": "lesslabel.data.loading.module",
        "Store": "lesslabel.data.store",
        "Supervision": "lesslabel.data.view",
        "View": "lesslabel.data.view",
        "ACDCDataModule": "lesslabel.data.loading.modules",
        "BTCVDataModule": "lesslabel.data.loading.modules",
        "BraTSDataModule": "lesslabel.data.loading.modules",
        "CHAOSDataModule": "lesslabel.data.loading.modules",
        "DatalistDataModule": "lesslabel.data.loading.modules",
        "FolderDataModule": "lesslabel.data.loading.modules",
        "HC18DataModule": "lesslabel.data.loading.modules",
        "KiTSDataModule": "lesslabel.data.loading.modules",
        "LADataModule": "lesslabel.data.loading.modules",
        "MSCMRDataModule": "lesslabel.data.loading.modules",
        "MSDDataModule": "lesslabel.data.loading.modules",
        "MedScribbleDataModule": "lesslabel.data.loading.modules",
        "NNUNetDataModule": "lesslabel.data.loading.modules",
        "NPCDataModule": "lesslabel.data.loading.modules",
        "PROMISE12DataModule": "lesslabel.data.loading.modules",
        "PancreasDataModule": "lesslabel.data.loading.modules",
        "PhantomDataModule": "lesslabel.data.loading.modules",
        "WORDDataModule": "lesslabel.data.loading.modules",
    },
)
