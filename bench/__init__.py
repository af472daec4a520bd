"""The benchmark: Fluxrate and other engines answer the same questions on the same events, in one run of `make bench`.

No time is printed before all answers were found equal. The contenders live in an environment of their own; Fluxrate
itself depends on none of them.
"""
