"""``python -m ehf_num.cli``."""

import sys

from ehf_num.cli.command import main

sys.exit(main())
