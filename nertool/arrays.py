"""The type of arrays whose shape and contents a docstring tells.

This module imports numpy: import it at the top only where numpy is imported there too, or for types alone.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
