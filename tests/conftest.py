"""What all tests have in common: where a machine decides whether a change lands, equal changes get equal examples."""

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None)
if os.environ.get("CI"):
    settings.load_profile("repeatable")
