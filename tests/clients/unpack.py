"""Unpacks one collection: ARCHIVE COLLECTION DIRECTORY."""

import sys
import zipfile

archive, collection, directory = sys.argv[1:]
with zipfile.ZipFile(archive) as archive:
    wanted = f"ansible_collections/{collection}/"
    archive.extractall(directory, [name for name in archive.namelist() if name.startswith(wanted)])
