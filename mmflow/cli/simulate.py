"""`mmflow simulate`: whole flows under seeded random faults."""

from mmflow.testing.simulate.command import command as command
