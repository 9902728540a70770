"""Tables and indexes in the files of other programs."""
