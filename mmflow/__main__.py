"""`python -m mmflow`."""

import sys

from mmflow.cli.main import main

sys.exit(main())
