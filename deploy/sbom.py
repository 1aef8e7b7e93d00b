"""Adds the operating system's packages to a CycloneDX list of Python packages, and checks the result against the schema.

    sbom.py <python.json> <dpkg folder> <whole.json>

Runs in the image's build, which has `cyclonedx-bom`. The dpkg folder is the base image's /var/lib/dpkg.
"""

import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

FIELDS = "${Package} ${Version} ${Architecture}\n"


def debian(folder: str) -> list[Component]:
    listed = subprocess.run(
        ["dpkg-query", "--admindir", folder, "-W", "-f", FIELDS], capture_output=True, text=True, check=True
    )
    return [component(*line.split()) for line in listed.stdout.splitlines()]


def component(name: str, version: str, architecture: str) -> Component:
    purl = PackageURL("deb", "debian", name, version, {"arch": architecture})
    return Component(type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=str(purl))


def main() -> int:
    source, folder, target = sys.argv[1:]
    bom = Bom.from_json(json.loads(Path(source).read_text()))  # type: ignore[attr-defined]  # added by a decorator
    bom.components.update(debian(folder))
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        print(f"expected a CycloneDX 1.6 document: {error}", file=sys.stderr)
        return 1
    Path(target).write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
