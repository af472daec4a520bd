"""Fluxrate: exact, instant usage analytics for companies that bill by usage."""

__version__ = "0.1.0"
