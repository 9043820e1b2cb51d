"""Who acts: a person or a system, what it may do, where, and for which partner."""

from dataclasses import dataclass
from uuid import UUID

from common.errors import ForbiddenError

EVERYWHERE = "*"

SYSTEM = "system:"
"""How the services' own names begin; no token may bear such a one."""


@dataclass(frozen=True)
class Actor:
    """The subject of a request or of a reaction.

    `countries`: ISO 3166-1 alpha-3 codes the actor may act in, or {"*"}. `partner`: set on a
    partner-bound token, which sees and edits only that partner. Only humans approve. `scopes`: what
    a service's operations ask for; `roles`: what bands of approval ask for beside the scope.
    """

    subject: str
    human: bool
    scopes: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset({EVERYWHERE})
    partner: UUID | None = None
    roles: frozenset[str] = frozenset()

    @classmethod
    def system(cls, service: str) -> "Actor":
        """The service itself, when it reacts to events."""
        return cls(subject=f"{SYSTEM}{service}", human=False)

    def acts_in(self, country: str) -> bool:
        """Whether the country scope covers `country`."""
        return EVERYWHERE in self.countries or country in self.countries

    def must_act_in(self, country: str) -> None:
        """Raises ForbiddenError when the country scope does not cover `country`."""
        if not self.acts_in(country):
            raise ForbiddenError(
                f"Your access covers {', '.join(sorted(self.countries)) or 'no country'}, "
                f"not {country}.",
                country=country,
            )

    def must_be_human(self, deed: str) -> None:
        """Raises ForbiddenError for a machine: `deed` needs a person who answers for it."""
        if not self.human:
            raise ForbiddenError(f"Only a person may {deed}; this token belongs to a system.")

    def must_be_staff(self, deed: str) -> None:
        """Raises ForbiddenError for a partner-bound token: `deed` is ours, whatever the scopes."""
        if self.partner is not None:
            raise ForbiddenError(f"Your access is bound to a partner; only staff may {deed}.")

    def must_speak_for(self, partner: UUID) -> None:
        """Raises ForbiddenError when a partner-bound token reaches for another partner."""
        if self.partner is not None and self.partner != partner:
            raise ForbiddenError("Your access is bound to another partner.")
