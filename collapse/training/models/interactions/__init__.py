"""The interactions, a file each: the name of the file is the name of the model."""
