"""Payments over HTTP.

views    what clients send and see
deciding submit, revise, approve, reject, hold
paying   release, send, evidence, confirmations
reading  lists, and what stands behind a payment
"""

from disbursement.payments.api import deciding, paying, reading

routes = (deciding.routes, paying.routes, reading.routes)
