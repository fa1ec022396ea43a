"""Scripts that write a checkpoint with a library, and the library's own tables.

There is one file per library, run as ``python FILE FOLDER``. It writes ``model``, ``version``, and
``truth.npz``: the tables by field, in order, and as ``W`` the matrix of the first cross layer for these
fields, if there is one. It also writes ``fields.json`` if the library has such a file, or if its checkpoint
does not name the fields.
"""
