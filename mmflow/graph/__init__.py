"""A plan as a picture: its flows, their targets, who classifies and judges, and where data can go."""

from mmflow.graph.dot import dot as dot
from mmflow.graph.mermaid import mermaid as mermaid
from mmflow.graph.picture import Picture as Picture
from mmflow.graph.picture import picture as picture
from mmflow.graph.svg import svg as svg
