"""What providers share that train in a process of their own on this machine: a job's life, on disk.

A job outlives the program that created it, is cancelled and paused by wishes in its folder, says when its process died,
and goes on from its last finished epoch. A provider adds what it trains, and how: see `jobs.DetachedTrainer` and
`training.DetachedTraining`.
"""
