"""Methods that regulate the gradient of every encoder by what its modality has learnt."""
