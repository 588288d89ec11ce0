"""The network as the runtime sees it: real sockets, every fault of the table, each as a `CallError` that says what happened."""

import asyncio
import ssl
import tracemalloc
from collections.abc import AsyncIterator

import pytest
import trustme_lite
import upstream as up
from upstream import Upstream, closed_port

from mmflow.plugin import CallError, HttpReply, ServerEvent, Timeouts
from mmflow.runtime.http import AioHttp
