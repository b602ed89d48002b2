"""Every property test is deterministic and judged by what it finds, never by how long a busy machine takes."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("tricue", deadline=None, derandomize=True)
settings.load_profile("tricue")
