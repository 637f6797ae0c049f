"""Where and when things run: training, Ray, sweeps and grids of runs, MLflow, evaluation on the test part.

The only folder that imports Ray or MLflow. Each room is a stage of a run or a kind of job;
`docs/architecture.md` walks through them.
"""
