"""An index where other libraries expect objects of their own; each module imports its library when it is used."""
