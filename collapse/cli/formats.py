"""`collapse formats`."""

import json

import click


@click.command(name="formats")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the file formats that can be read.

    Files are recognised by their content. For formats that are recognised but not supported, the list has one way
    to extract the tables with another library.

    \b
    Examples:
      collapse formats
      collapse formats --json
    """
    from collapse.io.formats import FOLDERS, NOT_READ, SUPPORTED

    others = {each.name: each.way for each in NOT_READ} | {name: way for name, _, way in FOLDERS}
    if as_json:
        click.echo(json.dumps({"read": dict(SUPPORTED), "recognised": others}, indent=2))
        return
    for title, rows in (("Read:", dict(SUPPORTED)), ("Recognised, but not supported:", others)):
        click.echo(title)
        for name, text in rows.items():
            click.echo(f"  {name}\n      {text}")
