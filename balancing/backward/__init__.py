"""The backward pass of a step: with a scaled loss, and in the precision that a run asks for."""
