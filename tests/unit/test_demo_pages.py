"""What data/README.md and models/README.md tell: their example is run, their facts are those the program knows."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from engine.api.lab import MODELS, PLACES
from engine.api.published import published
from engine.sandbox.data_set import open_dataset

ROOT = Path(__file__).parents[2]
DATA, MODEL = (ROOT / name / "README.md" for name in ("data", "models"))


def test_the_example_writes_files_that_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DATA.read_text(), re.DOTALL)
    (tmp_path / "example.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    made = runpy.run_path("example.py")
    clean, poisoned = (open_dataset(Path(PLACES[name]), (55, 47, 3), 10) for name in ("valid", "poisoned_valid"))
    assert (clean.images, clean.dtype, clean.notes) == (90, "uint8", ())
    assert clean.labels.tolist() == made["people"].tolist()
    assert np.array_equal(clean.image(7), made["images"][7].transpose(2, 0, 1))
    assert np.array_equal(poisoned.image(7), made["poisoned"][7].transpose(2, 0, 1))
    assert not poisoned.labels.any()


@pytest.mark.parametrize("place", [*PLACES.values(), MODELS[0]])
def test_the_labs_files_are_named_with_their_hash(place: str) -> None:
    page = (MODEL if place == MODELS[0] else DATA).read_text()
    (passage,) = [each for each in re.split(r"\n\n|\|\n", page) if published().files[place] in each]
    assert place in passage


def test_every_place_of_a_lab_is_told() -> None:
    assert all(f"`{place}`" in DATA.read_text() for place in PLACES.values())
    assert all(f"`{place}`" in MODEL.read_text() for place in MODELS)
