"""How many files and sockets this process may have open, and how they are shared."""

import resource

_LEAST, _MOST = 4, 512


def share() -> int:
    """A third of what the process may open: for who asks it, for what it asks, and the rest for all else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(_LEAST, min(_MOST, soft // 3))
