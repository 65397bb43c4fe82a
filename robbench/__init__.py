"""RobBench: how robust is this architecture?  Measured, predicted, and measured again.

from robbench import RobBench

bench = RobBench("jung2023.h5")
bench.query(arch, "pgd", eps=1 / 255)
"""

__version__ = "0.1.0"
