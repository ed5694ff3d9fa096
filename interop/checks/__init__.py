"""Checks of modelward against other people's programs. Started by `interop/run`."""
