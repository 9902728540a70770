"""Many queries at once: from a file into a file, in little memory, going on where an earlier run stopped."""
