"""What takes part: a contestant performs operations on a data set, and a data set names them.

Both are used by compare.py in this order, per pair: begin of every contestant; then operation by
operation `DataSet.before`, and for every contestant in turn prepare, perform (measured), check,
clean; at last end. Only `perform` is measured.
"""

import os
import tempfile

from measure import remove_tree, tree_bytes

FIRST, UNCHANGED, RESTORE = "first backup", "unchanged", "restore"
DAY_2, DAY_2_ROWS, RESTARTED = "day 2", "day 2, whole rows", "after restart"


class Context:
    """What every data set and contestant may use."""

    def __init__(self, work, data, scale, programs=None):
        self.work = work  # temporary, on the disk that is measured
        self.data = data  # where built file data sets are kept
        self.scale = scale  # data sets have 1/scale of their full size
        self.programs = programs  # names of those who take part; None: all

    def directory(self, prefix, mode=0o755):
        path = tempfile.mkdtemp(prefix=f"{prefix}-", dir=self.work)
        os.chmod(path, mode)
        return path


class Contestant:
    """One program with its options.

    role: holdfast, peer, limit (does less than a backup must) or variant (Holdfast set otherwise).
    """

    name = ""
    role = "peer"
    operations = (FIRST, UNCHANGED, RESTORE)
    # Every backup is a full one that replaces the last: what is there afterwards was stored anew.
    full = False

    def __init__(self, data_set):
        self.data_set = data_set
        self.context = data_set.context
        self.home = None
        self.serial = 0

    def begin(self):
        """An empty repository."""
        self.home = self.context.directory("peer")
        self.serial = 0

    def prepare(self, operation):
        self.serial += 1

    def perform(self, operation, meter):
        raise NotImplementedError

    def check(self, operation):
        """Raises Failed when what was restored is not the data set as it is now."""

    def clean(self, operation):
        """Deletes what was restored."""

    def watched(self):
        return []

    def repository(self):
        """What is read at a restore, and whose growth is what a backup stored."""
        return os.path.join(self.home, "repository")

    def stored_bytes(self):
        path = self.repository()
        return os.path.getsize(path) if os.path.isfile(path) else tree_bytes(path)

    def end(self, keep=False):
        if not keep and self.home:
            remove_tree(self.home)


class DataSet:
    """Data in one state, its operations, and which contestant is the limit of an operation."""

    name = ""
    operations = (FIRST, UNCHANGED, RESTORE)
    limits = {}
    quick = None  # names of those who take part with --quick; None: everyone

    def __init__(self, context):
        self.context = context
        self.home = None

    def open(self):
        """Builds the data; starts what serves it."""

    def close(self):
        pass

    def everyone(self):
        """Classes of all contestants, in the table's order."""
        raise NotImplementedError

    def contestants(self):
        names = self.context.programs or (self.quick if self.context.scale > 1 else None)
        return [each(self) for each in self.everyone() if names is None or each.name in names]

    def before(self, operation, pair):
        """Changes the data, where the operation is about changed data."""

    def servers(self):
        return []

    def paths(self):
        """What is read to have all data in the page cache."""
        return []

    def size_text(self):
        """How big it is, for the table."""
        return ""
