"""Terms that look at three embeddings together.

`eigenvalue` (the closed form behind L_triplet), `negatives` (which triplets stand against the true ones),
`higher_order` (the terms by name), `rivals` (published alternatives), `symmetric_eigen`.
"""
