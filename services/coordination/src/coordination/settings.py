"""What an operator sets for this service: the common settings, as `COORDINATION_…`."""

from pydantic_settings import SettingsConfigDict

from common.settings import CommonSettings
from coordination.policy import Policy


class Settings(CommonSettings):
    """Every setting of the coordination service."""

    model_config = SettingsConfigDict(env_prefix="COORDINATION_")


def policy(settings: Settings) -> Policy:
    """What commands may know of how this service is deployed: nothing that is set yet."""
    return Policy()
