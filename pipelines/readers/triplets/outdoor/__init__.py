"""MPI-INF-3DHP and 3DPW: people in studios and in the street, each set in two layouts.

`mpi_inf_3dhp` reads the files of its authors (`mpi_files`, `mpi_video`) or MMPose's (`mpi_mmpose`);
`three_dpw` the authors' (`dpw_pickles`) or a table of 17 joints (`dpw_table`). `joints` has their skeletons.
"""
