"""Scripts that write files of other formats with the libraries themselves, and the numbers that they hold.

Each writes files into a folder, and ``truth.npz`` with one array for each ``FILE|FIELD``. The folders in
``tests/data/formats`` were written with the versions in their ``version`` files.
"""
