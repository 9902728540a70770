"""Tables of codes: one bit per kept direction."""
