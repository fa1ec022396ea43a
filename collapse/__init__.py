"""Spectral diagnostics for the embedding tables of recommender models.

All public names are imported from here, each when it is first used. `__init__.pyi` lists them.
"""

import sys
from typing import Any

import lazy_loader

_lazy_getattr, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("embedding-collapse")
    try:
        return _lazy_getattr(name)
    except ModuleNotFoundError as error:
        from collapse.extras import missing_extra

        raise missing_extra(error, f"collapse.{name}") or error from None
    except AttributeError:
        module = sys.modules[__name__]
        raise AttributeError(f"module 'collapse' has no attribute {name!r}", name=name, obj=module) from None
