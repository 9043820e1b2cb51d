"""The HTTP edge: what a slice's `api.py` needs to declare its endpoints.

routes = Routes(tag="partners", prefix="/v1")

@routes.command("POST", "/partners", scope="registry.partners.write", key=Key.OPTIONAL)
async def register_partner(uow: UnitOfWork, body: Registration) -> Reply[PartnerView]: ...

routes       declares an operation; endpoint: carries it out; guard: stands before it
replies      what it answers; problems: what it refuses; etags, idempotency: when and how often
paging       lists in pages; listing: what changed; export: all of it as NDJSON or CSV
auth         who asks
app          all of a service put together; edge: its outermost layer
openapi      what the contract says; docs, published, health: pages beside the operations
"""

from common.http.endpoint import Call
from common.http.idempotency import Key
from common.http.paging import Page, PageQuery
from common.http.replies import Reply
from common.http.routes import Routes

__all__ = ["Call", "Key", "Page", "PageQuery", "Reply", "Routes"]
