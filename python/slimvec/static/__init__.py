"""Static models: texts in, vectors out, by a tokenizer and a row of codes for each token."""
