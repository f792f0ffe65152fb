# SPDX-License-Identifier: BSD-3-Clause
"""Entry point of ``python -m deepcoadd.cli``."""

import sys

from deepcoadd.cli import main

sys.exit(main())
