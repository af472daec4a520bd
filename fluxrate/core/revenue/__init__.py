"""Revenue: plans, subscriptions and invoices as mirrored from whoever bills, and the figures made of them.

Amounts are integers in the currency's minor unit, prices exact Decimals; currencies are never added together.
"""
