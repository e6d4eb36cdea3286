"""What may leave a hospital: weights, references and the recipe, never an image. `docs/formats.md` lists the files."""

from lesslabel.bundle.bundle import Bundle, load_bundle, verify_bundle
from lesslabel.bundle.export import export_bundle
from lesslabel.bundle.recipe import BundleRecipe

__all__ = ["Bundle", "BundleRecipe", "export_bundle", "load_bundle", "verify_bundle"]
