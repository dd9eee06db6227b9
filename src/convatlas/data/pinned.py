"""Named data sets in IDX files, with the size and SHA-256 of each file that may be downloaded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A gzipped file as its publisher has it: its name, its length in bytes and its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class IdxSet:
    """A data set of four IDX files.

    Attributes:
        name: what the user types; also the folder's name below `$CONVATLAS_DATA` and in the cache.
        torchvision: the folder's name in torchvision's layout.
        url: folder on the web, ending in a slash.
        classes: the classes' names in the order of their labels.
        train_images, train_labels, test_images, test_labels: the files.
    """

    name: str
    torchvision: str
    url: str
    classes: tuple[str, ...]
    train_images: PinnedFile
    train_labels: PinnedFile
    test_images: PinnedFile
    test_labels: PinnedFile

    @property
    def files(self) -> tuple[PinnedFile, ...]:
        """All four files."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels


DIGITS = tuple("0123456789")

MNIST = IdxSet(
    name="mnist",
    torchvision="MNIST",
    url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    classes=DIGITS,
    train_images=PinnedFile(
        "train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    train_labels=PinnedFile(
        "train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    test_images=PinnedFile(
        "t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    test_labels=PinnedFile(
        "t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
)

FASHION_MNIST = IdxSet(
    name="fashion-mnist",
    torchvision="FashionMNIST",
    url="https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    train_images=PinnedFile(
        "train-images-idx3-ubyte.gz", 26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    train_labels=PinnedFile(
        "train-labels-idx1-ubyte.gz", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    test_images=PinnedFile(
        "t10k-images-idx3-ubyte.gz", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    test_labels=PinnedFile(
        "t10k-labels-idx1-ubyte.gz", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
)  # fmt: skip

IDX_SETS = {named.name: named for named in (MNIST, FASHION_MNIST)}
