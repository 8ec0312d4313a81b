#!/bin/sh
# Brings a machine of the lab back to how the next one shall find it. Run as root; exit code 0 means that
# it is clean.
set -eu
rm -rf /srv/lab
find /tmp /var/tmp -mindepth 1 -delete
