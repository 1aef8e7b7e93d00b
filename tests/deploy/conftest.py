"""Finds helm, which renders the chart."""

import pytest

from deploy.tools import find_helm


@pytest.fixture(scope="session")
def helm() -> str:
    found = find_helm()
    if found is None:
        pytest.skip("helm is not installed: make tools")
    return found
