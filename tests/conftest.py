"""Hypothesis profiles: `fast` on every run, `thorough` with ``--hypothesis-profile thorough``."""

from hypothesis import HealthCheck, settings

settings.register_profile("fast", max_examples=50, deadline=None, derandomize=True)
settings.register_profile(
    "thorough", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fast")
