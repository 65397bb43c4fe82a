"""The errors that builders raise on purpose, and those of libraries that become them."""

import struct
import zipfile
import zlib
from pickle import UnpicklingError

from robbench.errors import RobBenchError

UNREADABLE = (
    OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError, ArithmeticError, AssertionError, MemoryError,
    UnpicklingError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy, torch and zipfile raise of files that are cut short, damaged, or none of theirs."""


class BuildError(RobBenchError):
    """A build cannot be planned, run, resumed or merged as asked."""


class ShardError(BuildError):
    """A shard cannot be read: cut short, damaged, or of another unit."""


class WeightsError(BuildError):
    """Weights that cannot be read from a file, or that do not fit the network that they are said to be of."""


class DamagedWeights(WeightsError):
    """Kept weights whose file is cut short or damaged."""


class DatasetError(RobBenchError):
    """Images or labels that are missing, damaged, or not of the form that training and attacks need."""


class AttackError(RobBenchError):
    """An attack was given something outside its domain: an eps, images, labels or a network that do not fit."""


class AttackWarning(UserWarning):
    """An attack goes on, but not as its name says: one of its parts does not serve this network."""


class CorruptionError(RobBenchError):
    """An unknown corruption or severity, images that cannot be corrupted, or published files that are missing, damaged or of another form."""


class ProxyError(RobBenchError):
    """An unknown proxy or initialisation, or images and labels that do not fit the networks."""
