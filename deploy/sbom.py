"""Print the software bill of materials (CycloneDX 1.6, JSON) of the container image: `make sbom`.

It lists the Python packages with version, licence and dependencies, and the files in the package that others made, or
that are models. The same packages always give the same text.
"""

import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from deploy.slim import LEFT_OUT, ROOT, collected, listed, needs, slim

EXTRAS = ("weights", "console", "livekit", "postgres", "s3")  # the extras of the image
# Version, licence, type and path of files that are no packages. NOTICE says where they come from.
SHIPPED = {
    "htmx": ("2.0.11", "0BSD", ComponentType.FILE, "pipeline/console/static/htmx.min.js"),
    "voxwarden-classifier": ("", "MIT", ComponentType.MACHINE_LEARNING_MODEL, "pipeline/judge/model/model.onnx"),
}


def main() -> None:
    """Write the bill to standard output."""
    sys.stdout.write(JsonV1Dot6(bill()).output_as_string(indent=2) + "\n")


def bill() -> Bom:
    """The bill of the image without PyTorch."""
    versions = slim(EXTRAS)
    packages = {name: _package(name, version) for name, version in versions.items()}
    root = Component(
        name="voxwarden",
        type=ComponentType.APPLICATION,
        version=metadata.version("voxwarden"),
        bom_ref="voxwarden",
        licenses=_licences("voxwarden"),
    )
    files = [_file(name) for name in SHIPPED]
    made = Bom(
        components=[*packages.values(), *files],
        metadata=BomMetaData(component=root),
        serial_number=uuid5(NAMESPACE_URL, repr((root.version, versions))),  # the library's own is random
    )
    made.metadata.timestamp = None  # type: ignore[assignment] # a time would change the text each time
    direct = {canonicalize_name(each.name) for each in listed(EXTRAS)} & packages.keys()
    made.register_dependency(root, [*(packages[name] for name in sorted(direct)), *files])
    for name, extra in sorted(collected(EXTRAS)):
        needed = {canonicalize_name(each.name) for each in needs(name, extra)} if name not in LEFT_OUT else set()
        made.register_dependency(packages[name], [packages[each] for each in sorted(needed & packages.keys())])
    return made


def _package(name: str, version: str) -> Component:
    address = PackageURL("pypi", name=name, version=version)
    return Component(name=name, version=version, bom_ref=str(address), purl=address, licenses=_licences(name))


def _file(name: str) -> Component:
    version, licence, kind, path = SHIPPED[name]
    digest = HashType(alg=HashAlgorithm.SHA_256, content=sha256(Path(ROOT / path).read_bytes()).hexdigest())
    licences = [LicenseFactory().make_from_string(licence)]
    return Component(
        name=name,
        version=version or None,
        type=kind,
        bom_ref=path,
        description=path,
        hashes=[digest],
        licenses=licences,
    )


def _licences(name: str) -> Iterator[DisjunctiveLicense | LicenseExpression]:
    """Yield what the package says of its licence: an SPDX expression, or else its classifiers or free text."""
    about = metadata.metadata(name)
    if expressions := about.get_all("License-Expression"):
        yield LicenseFactory().make_from_string(expressions[0])
        return
    classifiers = about.get_all("Classifier") or []
    classified = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License")]
    text = [line for stated in about.get_all("License") or [] for line in stated.strip().splitlines()[:1]]
    for licence in classified or text:
        yield LicenseFactory().make_with_name(licence)


if __name__ == "__main__":
    main()
