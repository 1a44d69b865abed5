"""What tests of the whole program share."""

from collections.abc import Iterator

import pytest

from tests.faults.engines import Nursery


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Engines that are up at once. One process for all tests: it imports Keras for all of them."""
    with Nursery(tmp_path_factory.mktemp("engines")) as found:
        yield found
