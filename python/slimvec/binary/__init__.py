"""The binary wing: one bit per kept direction."""
