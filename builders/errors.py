"""The errors that builders raise on purpose."""

from robbench.errors import RobBenchError


class BuildError(RobBenchError):
    """A build cannot be planned, run, resumed or merged as asked."""


class ShardError(BuildError):
    """A shard cannot be read: cut short, damaged, or of another unit."""


class DatasetError(RobBenchError):
    """Images or labels that are missing, damaged, or not of the form that training and attacks need."""


class AttackError(RobBenchError):
    """An attack was given something outside its domain: an eps, images, labels or a network that do not fit."""


class CorruptionError(RobBenchError):
    """A corruption was asked of images it cannot serve, or by a name or severity there is not; or published files are not what they should be."""


class ProxyError(RobBenchError):
    """A proxy was asked for what it cannot be: an unknown name or initialisation, or images and labels that do not fit."""
