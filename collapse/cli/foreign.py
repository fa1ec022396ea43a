"""Options of every command that reads other libraries' files: what such a file does not say itself."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click


def foreign_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--fields``, ``--table`` and ``--skip``; it takes them as one `Selection`, ``selection``."""

    @click.option(
        "--fields",
        "fields_file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="JSON",
        help="Names and cardinalities of the fields, which split a table of all of them: an object "
        '{"name": rows, ..}, the schema.json of prepared data, or FuxiCTR\'s feature_map.json.',
    )
    @click.option("--table", metavar="REGEX", help="Take the tensors of such names for the embedding tables.")
    @click.option("--skip", metavar="REGEX", help="Take no tensor of such a name.")
    @wraps(command)
    def wrapped(*args: Any, fields_file: Path | None, table: str | None, skip: str | None, **kwargs: Any) -> Any:
        from collapse.analysis.readers.field_sizes import read_field_sizes
        from collapse.analysis.readers.roles import Selection

        fields = None if fields_file is None else read_field_sizes(fields_file)
        return command(*args, selection=Selection(fields=fields, table=table, skip=skip), **kwargs)

    return wrapped
