"""What Fluxrate knows without HTTP: models, calendar, amounts, columns, store, engine. No Flask below this line."""
