"""Files: tables as safetensors, written whole or not at all."""
