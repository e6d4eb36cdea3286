"""A body with two thin parts."""

import numpy as np

_y, _x = np.indices((90, 120))
BODY = np.hypot(_y - 45, _x - 30) <= 22
STEM = (_y >= 44) & (_y <= 47) & (_x >= 52) & (_x <= 105)
TREE = BODY | STEM | ((_y >= 66) & (_y <= 85) & (_x >= 30) & (_x <= 32))
