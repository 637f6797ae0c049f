"""Methods that keep nothing but weights: the new ones are held near those of earlier tasks."""
