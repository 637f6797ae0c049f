"""What UniHPE is compared with: published models for one step of the way, on the same spine.

SimpleBaseline (Martinez et al., ICCV 2017, arXiv 1705.03098) and VideoPose3D with a receptive field of one
frame (Pavllo et al., CVPR 2019, arXiv 1811.11742) lift key points to a pose; HRNet with heat maps (Sun et
al., CVPR 2019, arXiv 1902.09212) finds key points in a picture.

`config`, `build`, `model`; `heatmaps` (Gaussians and what is read from them).
"""
