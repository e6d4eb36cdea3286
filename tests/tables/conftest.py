"""A tiny store."""

from pathlib import Path

import pytest
from phantom_stores import PhantomStores


@pytest.fixture(scope="session")
def store(phantom_store: PhantomStores) -> Path:
    """Sixteen phantom cases of 3×32×32."""
    return phantom_store(cases=16, size=32, depth=3)
