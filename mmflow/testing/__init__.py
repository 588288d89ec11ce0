"""What helps you to test workflows and plugins: one function for each kind of word; nothing in production imports it."""

from mmflow.testing.broken import PROMISES as PROMISES
from mmflow.testing.broken import BrokenPromise as BrokenPromise
from mmflow.testing.classifiers import check_classifier as check_classifier
from mmflow.testing.exchange import Exchange as Exchange
from mmflow.testing.providers import check_provider as check_provider
from mmflow.testing.scorers import check_scorer as check_scorer
from mmflow.testing.strategies import check_strategy as check_strategy
from mmflow.testing.workflows import check_workflow as check_workflow
