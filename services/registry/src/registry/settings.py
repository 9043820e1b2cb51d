"""What an operator sets for this service: the common settings, and two of its own, as
`REGISTRY_…`."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from common.settings import CommonSettings
from registry.due_diligence.rules import Policy


class Settings(CommonSettings):
    """Every setting of the registry."""

    model_config = SettingsConfigDict(env_prefix="REGISTRY_")

    due_diligence_years: int = Field(
        5, ge=1, le=10, description="how long a verification holds (UN Partner Portal 5, eTools 4)"
    )
    declaration_version: str = Field(
        "1",
        min_length=1,
        max_length=20,
        description="the declaration that partners must have accepted",
    )


def policy(settings: Settings) -> Policy:
    """What commands may know of the settings."""
    return Policy(
        validity_years=settings.due_diligence_years, declaration=settings.declaration_version
    )
