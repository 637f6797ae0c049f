"""Readers of image, 2D and 3D triplets: Human3.6M, MPI-INF-3DHP, 3DPW, and the simulator's sets.

`outdoor` has MPI-INF-3DHP and 3DPW. `simulated` needs no files. `plain_pickle` reads pickled arrays and
nothing else. `picture_folder` is for pictures that become no store.
"""
