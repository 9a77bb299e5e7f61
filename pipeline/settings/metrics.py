"""Settings of the Prometheus metrics."""

from pydantic import Field

from pipeline.settings.section import Section


class MetricsServer(Section):
    """The HTTP server of the Prometheus metrics."""

    host: str = Field("127.0.0.1", description="address on which metrics are served")
    port: int = Field(9108, ge=0, le=65_535, description="port on which metrics are served; 0: any free port")
