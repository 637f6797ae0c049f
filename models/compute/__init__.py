"""How encoders compute while a model trains: in which precision, compiled or not, and what they keep.

Only the encoders' training passes are touched, where nearly all arithmetic is. Features leave them in the
precision of the weights, so fusion, losses, penalties and scores never see fewer bits. Passes in evaluation
mode (errors, coalitions, Fisher information, teachers) and passes without gradients (statistics of batch
normalisation) run as they always do.
"""
