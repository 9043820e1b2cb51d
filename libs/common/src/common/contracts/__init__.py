"""The contracts of a service, generated from its declaration: OpenAPI, AsyncAPI, event schemas.

They are committed and compared: what is in the files is what the code does, and a change that would
break a client or a subscriber is found before it is released. `python -m common.contracts`.
"""
