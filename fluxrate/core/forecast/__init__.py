"""Usage ahead of now: a few methods that are tried on the past of each series, and the one that was best there.

Statistics are binary floats in here and nowhere else: what comes out is rounded to the meter's decimals and exact from
then on. A forecast is no figure to bill by.
"""
