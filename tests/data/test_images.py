"""Images in memory: their background, their fingerprint, parts of them."""

import torch

from convatlas.data.images import Images, background_of, make_data


def bordered(border: int, odd: int, share: float) -> torch.Tensor:
    """Images of 5x5 with 16 border pixels, of which a share have the value `odd`."""
    pixels = torch.full((10, 1, 5, 5), 128, dtype=torch.uint8)
    rows, columns = zip(*[(r, c) for r in range(5) for c in range(5) if r in (0, 4) or c in (0, 4)], strict=True)
    flat = torch.full((160,), border, dtype=torch.uint8)
    flat[: round(160 * share)] = odd
    pixels[:, 0, rows, columns] = flat.view(10, 16)
    return pixels


def test_background():
    assert background_of(bordered(25, 26, 0.1)) == "dark"
    assert background_of(bordered(25, 26, 0.11)) is None
    assert background_of(bordered(230, 229, 0.1)) == "light"
    assert background_of(bordered(230, 229, 0.11)) is None
    assert background_of(bordered(26, 26, 0)) is None
    assert background_of(bordered(229, 229, 0)) is None
    assert background_of(torch.zeros(0, 1, 5, 5, dtype=torch.uint8)) is None
    assert background_of(torch.zeros(2, 3, 1, 1, dtype=torch.uint8)) == "dark"
    red = torch.zeros(2, 3, 5, 5, dtype=torch.uint8)
    red[:, 0] = 255
    assert background_of(red) is None


def test_fingerprint_tells_every_difference():
    def fingerprint(classes=("a", "b"), names=("x", "y"), labels=(0, 1), pixel=0, validation=False):
        pixels = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)
        pixels[1, 0, 1, 1] = pixel
        images = Images(pixels, torch.tensor(labels), names)
        plain = Images(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.tensor([0]), ("t",))
        return make_data("d", classes, images, plain, validation=plain if validation else None).fingerprint

    found = [
        fingerprint(),
        fingerprint(classes=("a", "c")),
        fingerprint(classes=("b", "a")),
        fingerprint(names=("x", "z")),
        fingerprint(labels=(1, 1)),
        fingerprint(pixel=1),
        fingerprint(validation=True),
    ]
    assert len(set(found)) == len(found)
    assert fingerprint() == found[0]
    assert all(len(text) == 64 for text in found)


def test_subset():
    images = Images(torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2), torch.tensor([5, 6, 7]), ("a", "b", "c"))
    part = images.subset(torch.tensor([2, 0]))
    assert (len(part), part.names, part.labels.tolist()) == (2, ("c", "a"), [7, 5])
    assert part.pixels[0].flatten().tolist() == [8, 9, 10, 11]
