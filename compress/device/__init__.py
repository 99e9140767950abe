"""Make a device ready to measure on: packs of all that it needs, emulated boards, set-up."""
