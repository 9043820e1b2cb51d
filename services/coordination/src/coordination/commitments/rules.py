"""The minimum commitments of cluster members, as versions that come into force on a day.

The subjects are those that the global clusters share with the Inter-Agency Standing Committee's
coordination guidance, and protection from sexual exploitation and abuse (ST/SGB/2003/13); the words
are ours. A new version is a new entry here: it asks every member again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Item:
    """One commitment in both languages."""

    code: str
    text_en: str
    text_fr: str


@dataclass(frozen=True)
class Commitments:
    """One version; in force from `since_on` until a later version is."""

    version: int
    since_on: date
    items: tuple[Item, ...]


ITEMS = (
    Item(
        "principles",
        "We keep to the humanitarian principles and to the Principles of Partnership.",
        "Nous respectons les principes humanitaires et les principes de partenariat.",
    ),
    Item(
        "protection",
        "Our programmes put the safety and dignity of people first and do them no harm.",
        "Nos programmes veillent à la sécurité et à la dignité des personnes, sans leur nuire.",
    ),
    Item(
        "accountability",
        "We answer to the people we serve: they are informed, heard and can complain safely.",
        "Nous rendons compte aux personnes que nous servons : elles sont informées, écoutées et "
        "peuvent se plaindre sans crainte.",
    ),
    Item(
        "engagement",
        "We come regularly, with someone who can decide, and do our part of the joint work.",
        "Nous participons régulièrement, avec une personne qui peut décider, et faisons notre part "
        "du travail commun.",
    ),
    Item(
        "resources",
        "We use what we have well, tell others what we plan, and share what can be shared.",
        "Nous employons bien nos moyens, disons ce que nous prévoyons et partageons ce qui peut "
        "l'être.",
    ),
    Item(
        "cross_cutting",
        "Age, gender, disability, diversity and the environment count in all that we do.",
        "L'âge, le genre, le handicap, la diversité et l'environnement comptent dans tout ce que "
        "nous faisons.",
    ),
    Item(
        "leadership",
        "We are ready to take on leading tasks where we have the means and the mandate.",
        "Nous sommes prêts à assumer des tâches de direction là où nous en avons les moyens et le "
        "mandat.",
    ),
    Item(
        "advocacy",
        "We speak up together, towards all sides, for the people affected.",
        "Nous plaidons ensemble, auprès de toutes les parties, pour les personnes touchées.",
    ),
    Item(
        "interpretation",
        "We help meetings to be interpreted, so that everyone can take part in their language.",
        "Nous aidons à faire interpréter les réunions, pour que chacun participe dans sa langue.",
    ),
    Item(
        "psea",
        "We tolerate no sexual exploitation or abuse: we prevent it, report it and support those "
        "harmed.",
        "Nous ne tolérons aucune exploitation ni aucun abus sexuel : nous les prévenons, les "
        "signalons et soutenons les victimes.",
    ),
)

CATALOGUE = (Commitments(version=1, since_on=date(2020, 1, 1), items=ITEMS),)
"""Every version there ever was, oldest first; one that somebody accepted is never changed."""


def in_force(versions: Sequence[Commitments], today: date) -> Commitments:
    """The version that members are asked for on `today`. Raises LookupError before the first."""
    present = [each for each in versions if each.since_on <= today]
    if not present:
        raise LookupError(f"no minimum commitments are in force on {today}")
    return max(present, key=lambda each: each.version)
