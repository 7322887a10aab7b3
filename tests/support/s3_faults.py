"""Faults of requests to the in-memory bucket."""


class KilledError(BaseException):
    """A BaseException, so that no code handles it."""


def at(number, when, action):
    """Raise it at the n-th request."""
    seen = {"before": 0, "after": 0}

    def fault(moment, operation, key):
        seen[moment] += 1
        if moment == when and seen[moment] == number + 1:
            action()

    return fault


def raising(exception):
    def act():
        raise exception

    return act
