"""Opens the evidence store of the settings."""

from collections.abc import Mapping

from pipeline.base.dependencies import DependencyCheck
from pipeline.base.errors import ConfigError
from pipeline.review.evidence.keys import INSTALL, open_ring
from pipeline.review.evidence.sealed_store import SealedEvidence
from pipeline.review.evidence.store import EvidenceFolder, EvidenceStore
from pipeline.settings import Settings


def open_evidence(settings: Settings) -> SealedEvidence:
    """Return the store of the settings. No server is asked yet.

    Raises ConfigError if a library is not installed, or for a wrong file of keys.
    """
    return SealedEvidence(_store(settings), open_ring(settings.evidence))


def evidence_checks(settings: Settings) -> Mapping[str, DependencyCheck]:
    """Return the check of the store as that of a dependency."""
    return {"evidence": open_evidence(settings).check}


def _store(settings: Settings) -> EvidenceStore:
    if settings.evidence.store == "folder":
        return EvidenceFolder(settings.data_dir / "evidence")
    try:
        from pipeline.review.evidence.s3 import S3Evidence
    except ModuleNotFoundError as error:
        raise ConfigError(f"evidence.store=s3 needs {error.name}", INSTALL) from error
    return S3Evidence(settings.evidence)
