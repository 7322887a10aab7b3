"""The parameters of a simulated run."""

from dataclasses import dataclass


class InputError(ValueError):
    """The input cannot be used; the message says what to change."""


@dataclass(frozen=True)
class Faults:
    """Injected faults. All are rates or probabilities; there are none by default."""

    # Interruptions per hour of a worker on Spot, which then has 120 s until it is killed.
    spot_interruptions_per_hour: float = 0.0
    # Share of the time, in periods of a quarter of an hour, without Spot capacity.
    spot_shortage: float = 0.0
    # RunTask calls that are throttled; wake-ups and ticks that never arrive.
    throttled_calls: float = 0.0
    lost_calls: float = 0.0
    # Workers that fail as soon as they run.
    dead_on_arrival: float = 0.0
    # The scaler is killed between its two writes: after RunTask, or before it.
    scaler_crashes: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0 or (name != "spot_interruptions_per_hour" and value > 1):
                raise InputError(f"{name} must be 0 to 1 (a rate: 0 or more), not {value}")


@dataclass(frozen=True)
class Parameters:
    """One fleet and its cloud. Times in seconds."""

    concurrency: int = 16
    minimum: int = 0
    maximum: int = 100
    # RunTask to the first message: lognormal. With 0.25 the 95th percentile is 1.51 medians.
    launch_median: float = 75.0
    launch_spread: float = 0.25
    # Mean age of a count that GetQueueAttributes returns (0 to twice that, drawn per count), and
    # the delay of CloudWatch after the end of a minute: the same value, because no source says
    # more.
    metric_lag: float = 10.0
    alarm_period: float = 60.0
    # Percent of ours on Spot.
    spot_share: int = 0
    # A worker of ours begins to retire after this idle time.
    idle_timeout: float = 20.0
    # Only for `bounds`: each message goes to the worker whose end it delays least.
    clairvoyant_dispatch: bool = False
    visibility_timeout: float = 43_200.0
    # Airflow notices a killed task by its missing heartbeats.
    heartbeat_timeout: float = 300.0
    faults: Faults = Faults()

    @property
    def cloudwatch_lag(self) -> float:
        return self.metric_lag

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise InputError(f"--concurrency must be 1 or more, not {self.concurrency}")
        if self.minimum < 0:
            raise InputError(f"--min must be 0 or more, not {self.minimum}")
        if self.maximum < 1:
            raise InputError(f"--max must be 1 or more, not {self.maximum}")
        if self.minimum > self.maximum:
            raise InputError(f"--min {self.minimum} is more than --max {self.maximum}")
        if not 0 <= self.spot_share <= 100:
            raise InputError(f"--spot-share must be 0 to 100 percent, not {self.spot_share}")
        if not 0 < self.launch_median < 3600:
            raise InputError(
                f"--launch-median must be more than 0 and less than 3600 s: {self.launch_median}"
            )
        if not 0 <= self.metric_lag <= 900:
            raise InputError(f"--metric-lag must be 0 to 900 s, not {self.metric_lag}")
        if not 10 < self.idle_timeout <= 3600:
            raise InputError(
                f"--idle-timeout must be more than the long poll's 10 s, up to 3600: "
                f"{self.idle_timeout}"
            )
