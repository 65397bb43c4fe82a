"""The tests.

Arrays here are small: threads of BLAS and OpenMP, in this process and in those that tests start, would wait for each other far longer than they work.
This module is imported before what reads the variable.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
