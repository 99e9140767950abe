"""Start the client of Lambda's Runtime API: `python -S bootstrap.py`.

Python compiles a script at every start, and the client took over 1 ms of it; a module is kept.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from lambda_client import run

run()
