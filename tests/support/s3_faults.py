"""What may go wrong at each request to the bucket in memory."""


class KilledError(BaseException):
    """Not an Exception: nothing must be able to handle it."""


def at(number, when, action):
    """Do it at the n-th request."""
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
