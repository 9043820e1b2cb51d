"""What a payment is and may become, without a database, a clock or a framework.

payment     the payment itself, and the payload that people approve and the bank is told
lifecycle   its states and the moves between them
holds       what stops it, and how it goes on
evidence    what the bank said, and which outcome that proves
"""
