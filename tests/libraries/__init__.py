"""Scripts that write a checkpoint with a library, and beside it the library's own tables: a file a library.

Each is run by itself, as its library wants: ``python FILE FOLDER``. It writes ``model``, ``version``, and
``truth.npz``: the tables by field, in order, and as ``W`` the first cross layer's matrix of these fields alone, if
there is one; and ``fields.json``, if the library has such a file, or its checkpoint does not tell the fields.
"""
