"""From a checked program to a plan; total: a program without errors always compiles."""

from mmflow.compile.program import compile as compile
