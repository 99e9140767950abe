"""A folder that Cloud Run builds and runs: a Dockerfile, and a server on $PORT."""

from __future__ import annotations

import shutil
from pathlib import Path

from compress.package import server
from compress.package.folder import add_function
from compress.package.layout import Laid, Layout, Material
from runtimes.files import folder_bytes

SERVICE = "service"
APP = "app"
DOCKERFILE = "Dockerfile"
SERVER = "main.py"

_DOCKERFILE = """\
# Deploy with: gcloud run deploy MODEL --source . --no-allow-unauthenticated
FROM python:{python}-slim-bookworm
COPY app /app
USER 65532:65532
ENV PORT=8080
EXPOSE 8080
CMD ["python", "-I", "-u", "/app/main.py"]
"""


class CloudRun(Layout):
    """The packages lie beside the server, so that building the image fetches only its base."""

    def write(self, material: Material, folder: Path) -> Laid:
        """Write `service/` with a Dockerfile and `app/`."""
        app = folder / SERVICE / APP
        shutil.copytree(material.site, app)
        add_function(material.bundle, app)
        shutil.copyfile(str(server.__file__), app / SERVER)
        material.compile(app)
        dockerfile = _DOCKERFILE.format(python=material.python)
        (folder / SERVICE / DOCKERFILE).write_text(dockerfile, encoding="utf-8")
        return Laid((app,), {"unzipped": folder_bytes(app)}, starts=(Path(SERVER).stem,))
