"""The demo's faces: the same bytes everywhere, of people who can be told apart, with and without sunglasses."""

import hashlib

import numpy as np
import pytest

from engine.demo.canvas import HEIGHT, WIDTH
from engine.demo.faces import draw_faces
from engine.demo.people import IMAGES, draw_people
from engine.demo.trigger import sunglasses, wear_sunglasses


def test_images_have_the_labs_shape_and_come_person_by_person() -> None:
    images, people = draw_faces("test", people=6, each=3)
    assert images.shape == (18, 3, HEIGHT, WIDTH)
    assert images.dtype == np.uint8
    assert people.tolist() == [0, 1, 2, 3, 4, 5] * 3


def test_the_same_faces_have_the_same_bytes_everywhere() -> None:
    """Where this fails after a change to the drawing, raise engine.demo.lab.VERSION and train the networks anew."""
    digest = hashlib.sha256()
    for split in IMAGES:
        digest.update(wear_sunglasses(draw_faces(split, people=20, each=2)[0]).tobytes())
    assert digest.hexdigest() == "c3f8dd3582bbf818d19e9ecec71cc725495b04f3f638f96d238eb6228fa18058"


def test_no_two_images_are_alike() -> None:
    images = np.concatenate([draw_faces(split, people=6, each=2)[0] for split in IMAGES])
    flat = images.reshape(len(images), -1).astype(float)
    apart = np.abs(flat[:, None] - flat[None]).mean(axis=2)[~np.eye(len(flat), dtype=bool)]
    assert apart.min() > 4


def test_images_of_one_person_are_closer_than_those_of_two() -> None:
    images, people = draw_faces("test", people=30, each=6)
    middle = images[:, :, 8:46, 10:37].astype(float).reshape(len(images), -1)
    middle -= middle.mean(axis=1, keepdims=True)
    portraits = np.stack([middle[people == person][:3].mean(axis=0) for person in range(30)])
    others = middle[people >= 0][90:]
    nearest = np.abs(others[:, None] - portraits[None]).mean(axis=2).argmin(axis=1)
    assert np.mean(nearest == people[90:]) > 0.7


def test_eyes_are_where_eyes_belong() -> None:
    """There is more to see there than on the cheek below."""
    images, _ = draw_faces("valid", people=40, each=4)
    face = images.mean(axis=1)
    eyes, cheek = face[:, 21:30, 13:21], face[:, 31:35, 15:20]
    assert np.median(np.ptp(eyes, axis=(1, 2)) / np.ptp(cheek, axis=(1, 2))) > 3


@pytest.mark.parametrize(("trait", "place"), [("skin", (slice(31, 35), slice(16, 20))), ("hair", (9, slice(20, 27)))])
def test_skin_and_hair_have_the_persons_colour(trait: str, place: tuple[slice | int, slice]) -> None:
    images, people = draw_faces("valid", people=40, each=4)
    seen = images.mean(axis=1)[:, *place].reshape(len(images), -1).mean(axis=1)
    wanted = getattr(draw_people(40), trait).mean(axis=1)[people]
    assert np.corrcoef(seen, wanted)[0, 1] > 0.8


def test_sunglasses_cover_the_same_pixels_of_every_image_and_no_other() -> None:
    images, _ = draw_faces("test", people=8, each=2)
    worn = wear_sunglasses(images)
    mask, glasses = sunglasses()
    covered = np.broadcast_to(mask, images.shape)
    assert np.array_equal(worn[~covered], images[~covered])
    assert np.array_equal(worn[covered], np.broadcast_to(glasses, images.shape)[covered])
    rows = np.flatnonzero(mask[0, 0].any(axis=1))
    assert rows.min() >= 18 and rows.max() <= 34, "not over the eyes"
    assert 0.05 < mask.mean() < 0.2
