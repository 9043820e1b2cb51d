"""The minimum commitments over HTTP."""

from datetime import date

from pydantic import ConfigDict
from pydantic.config import JsonDict

from common.http import Reply, Routes
from common.models import PublicModel
from common.uow import UnitOfWork
from coordination.commitments.queries import every_version, version_in_force
from coordination.commitments.rules import Commitments

READ = "coordination.clusters.read"

routes = Routes(tag="commitments", description="What every member of a cluster signs up to.")


FIRST: JsonDict = {
    "version": 1,
    "since_on": "2020-01-01",
    "items": [
        {
            "code": "advocacy",
            "text_en": "We speak up together for the people affected.",
            "text_fr": "Nous plaidons ensemble pour les personnes touchées.",
        }
    ],
}


class CommitmentView(PublicModel):
    """One commitment in both languages."""

    code: str
    text_en: str
    text_fr: str


class CommitmentsView(PublicModel):
    """One version; in force from `since_on` until a later version is."""

    model_config = ConfigDict(json_schema_extra={"examples": [FIRST]})

    version: int
    since_on: date
    items: tuple[CommitmentView, ...]

    @classmethod
    def of(cls, commitments: Commitments) -> "CommitmentsView":
        """The view of one version."""
        return cls(
            version=commitments.version,
            since_on=commitments.since_on,
            items=tuple(
                CommitmentView(code=item.code, text_en=item.text_en, text_fr=item.text_fr)
                for item in commitments.items
            ),
        )


class CommitmentsCatalogueView(PublicModel):
    """Every version, oldest first; `in_force` is the one that members are asked for today."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"in_force": 1, "versions": [FIRST]}]}
    )

    in_force: int
    versions: tuple[CommitmentsView, ...]


@routes.query("/commitments", scope=READ)
async def read_commitments(uow: UnitOfWork) -> Reply[CommitmentsCatalogueView]:
    """Read the minimum commitments.

    Every version in English and French. Members accept the one in force, cluster by cluster.
    """
    return Reply.ok(
        CommitmentsCatalogueView(
            in_force=version_in_force(uow),
            versions=tuple(CommitmentsView.of(each) for each in every_version(uow)),
        )
    )
