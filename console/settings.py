"""Where does the public endpoint listen, and how much patience has it?"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from store.settings import Duration, Settings, read_duration


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f'"{value}" is no place to listen; write for example "127.0.0.1:8025"')
    return value


def _path(value: str) -> str:
    if value and not value.startswith("/"):
        raise ValueError(f'"{value}" is no path; write for example "/u"')
    return value.rstrip("/")


class EndpointSettings(Settings):
    """The public endpoint, behind a proxy that speaks TLS."""

    listen: Annotated[str, AfterValidator(_listen)] = Field("127.0.0.1:8025", description="address and port")
    serve: Literal["daemon", "apart"] = Field(
        "daemon", description='"daemon": `postroom run` serves it too; "apart": only `postroom endpoint` does'
    )
    path: Annotated[str, AfterValidator(_path)] = Field(
        "", description="path under which the proxy passes links on; empty: that of company.unsubscribe_url"
    )
    proxies: tuple[str, ...] = Field(
        ("127.0.0.1", "::1"), description="proxies whose X-Forwarded-For is believed, for the evidence"
    )
    spool: Path = Field(
        Path("postroom.spool"), description="folder that takes wishes while the database does not answer"
    )
    largest_body: int = Field(16_384, ge=1_024, description="largest request body in bytes")
    largest_head: int = Field(16_384, ge=1_024, description="largest request line with all headers in bytes")
    connections: int = Field(1_000, ge=10, description="connections at once; more are closed")
    patience: Duration = Field(read_duration("15s"), description="longest wait for a whole request")
