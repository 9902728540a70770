"""Files: safetensors, the tables in them, and replacing a file whole or not at all."""
