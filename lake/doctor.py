"""What a killed process may leave behind: data files that no snapshot of any table knows."""

from .catalog import LakeCatalog, Place


def orphans(catalog: LakeCatalog, where: Place, *, remove: bool = False) -> list[tuple[str, int]]:
    """(path, bytes) of every data file below the lake that no table refers to; deleted if `remove`.

    A commit under way looks the same as one that was killed, so nothing may be writing meanwhile.
    """
    known: set[str] = set()
    for table in catalog.tables().values():
        manifests = {m.manifest_path: m for snapshot in table.metadata.snapshots for m in snapshot.manifests(table.io)}
        for manifest in manifests.values():
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
                known.add(entry.data_file.file_path.removeprefix("file://"))
    found = []
    for name in catalog.tables():
        root = where.path("tables", name, "data")
        if not where.fs.exists(root):
            continue
        scheme = "" if where.local is not None else where.location.split("://")[0] + "://"
        for path, info in where.fs.find(root, detail=True).items():
            full = path if "://" in path else scheme + path
            if full not in known:
                found.append((full, int(info["size"])))
    if remove:
        for path, _ in found:
            where.fs.rm_file(path)
    return sorted(found)
