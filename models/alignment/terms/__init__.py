"""Terms that look at three embeddings together.

`eigenvalue` (the closed form behind L_triplet), `negatives` (which triplets are compared), `higher_order` (the
terms by name), `rivals` (published alternatives), `symmetric_eigen`.
"""
