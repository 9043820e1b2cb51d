"""What an operator sets for this service: the common settings, as `COORDINATION_…`."""

from pydantic_settings import SettingsConfigDict

from common.settings import CommonSettings


class Settings(CommonSettings):
    """Every setting of the coordination service."""

    model_config = SettingsConfigDict(env_prefix="COORDINATION_")
