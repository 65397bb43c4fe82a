"""What can go wrong in a build."""

from robbench.errors import RobBenchError


class BuildError(RobBenchError):
    """A build cannot be planned, run, resumed or merged as asked."""


class ShardError(BuildError):
    """A shard cannot be read: cut short, damaged, or of another unit."""
