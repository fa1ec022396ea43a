"""The checkpoint format of this project: schema, file and checks."""
