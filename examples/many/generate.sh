#!/bin/sh
# Prints a spec file with as many containers as the argument says: in ten networks, each container
# with a volume of its own.
#
#   examples/many/generate.sh 1000 > examples/many/many.toml
set -eu
awk -v count="${1:-1000}" 'BEGIN {
  print "#:schema ../lessor.schema.json"
  print ""
  print "# Made by generate.sh."
  print "[docker.local]"
  print "endpoint = \"memory:host.json\""
  for (n = 0; n < 10; n++) printf "\n[network.net-%d]\n", n
  for (n = 0; n < count; n++) {
    printf "\n[volume.data-%04d]\n", n
    printf "[container.app-%04d]\n", n
    print "image = \"lessor.example/busybox:1\""
    printf "networks = [\"net-%d\"]\n", n % 10
    printf "volumes = [{ volume = \"data-%04d\", path = \"/data\" }]\n", n
    print "memory = \"64MiB\""
  }
}'
