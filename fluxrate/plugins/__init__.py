"""Capabilities that ship with Fluxrate, through the same door as a stranger's; no plugin imports another."""
