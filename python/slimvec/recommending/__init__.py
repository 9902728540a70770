"""Which codes reach a recall: measured on a sample of the user's own rows, extrapolated to all of them."""
