"""python -m samebits"""

from samebits.cli import main

main()
