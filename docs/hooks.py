"""What mkdocs calls while it builds: pages and parts of pages that the code knows best."""

import io
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from parts import PARTS
from parts.chart import atlas_charts
from parts.drawings import drawings
from parts.learning import learning_curves
from parts.networks import families, network
from PIL import Image

from convatlas.data.decode import open_image
from convatlas.data.figure import as_trained
from convatlas.models import list_models
from convatlas.recipes import get_recipe

_PLACE = re.compile(r"<!-- ([a-z_]+) -->")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    for entry in config.nav or ():
        if isinstance(entry, dict) and "Networks" in entry:
            pages = {family: [f"networks/{name}.md" for name in names] for family, names in families().items()}
            entry["Networks"] = ["networks/index.md", *({family: listed} for family, listed in pages.items())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name in list_models():
        page = network(name)
        files.append(File.generated(config, f"networks/{name}.md", content=page))
    files.append(File.generated(config, "images/seven-seen.png", content=_seen(Path(config.docs_dir))))
    for name, drawn in (atlas_charts() | learning_curves()).items():
        files.append(File.generated(config, f"images/{name}", content=drawn))
    for name, drawn in drawings().items():
        files.append(File.generated(config, f"images/networks/{name}", content=drawn))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    return filled(markdown)


def filled(markdown: str) -> str:
    """A page's text with every marked place filled in."""
    return _PLACE.sub(lambda place: PARTS[place[1]](), markdown)


def _seen(docs: Path) -> bytes:
    """What LeNet-5 sees of the photo: `as_trained` and then the stored form."""
    preprocess = get_recipe("lenet5").preprocess.model_copy(update={"background": "dark"})
    pixels = preprocess.prepare(as_trained(open_image(docs / "images" / "seven.jpg"), preprocess, "auto"))
    file = io.BytesIO()
    Image.fromarray(pixels[0].numpy()).save(file, "PNG")
    return file.getvalue()
