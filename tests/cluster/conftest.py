from __future__ import annotations

import pytest
from narrator import Narrator


@pytest.fixture
def narrator() -> Narrator:
    return Narrator()
