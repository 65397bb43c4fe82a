"""How fast, and how good, are the searches?  Figures beside what is required, and beside the papers'.

Table 1 of Jung et al. (2023): 4 searches × 2 objectives × 100 runs × 300 queries on cifar10, in two fresh processes; random search of
1,000,000 queries beside a bare loop of look-ups; MOS of Yang et al. (2025), 130 and 1,000 evaluations, on NAS-RobBench-201 (Table 7).

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository).  About four minutes on two cores.
Times are of one run, with a median of five for the loops.  n is printed in each line.
"""
