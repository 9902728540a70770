"""Methods that write embeddings as E = T A."""
