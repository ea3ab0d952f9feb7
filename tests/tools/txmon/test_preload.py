"""What layers' programs import is loaded before they are forked."""

import subprocess
import sys


def test_imports_are_loaded_and_frozen_and_the_collector_still_works() -> None:
    program = (
        "import gc, sys, tools.txmon.preload\n"
        "print('pulumi_aws.ec2.vpc' in sys.modules, gc.get_freeze_count() > 100_000, gc.isenabled(), flush=True)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "True True True\n"
