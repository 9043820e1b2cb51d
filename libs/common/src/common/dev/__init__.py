"""The whole of Frontline on one machine: for development, the demo and the journeys. Nothing of it
runs in production.
"""
