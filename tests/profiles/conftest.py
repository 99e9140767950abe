"""Settings of the property tests."""

from hypothesis import settings

# A first example imports scipy or scikit-learn, and the machine may be a busy one.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
