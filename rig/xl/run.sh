#!/usr/bin/env bash
# Debian's real xl on a machine without Xen, for what it does with guest configs. Nothing is installed: the packages are those of
# rig/xenstored/run.sh, unpacked below $XENNUMA_RIG_CACHE. The machine is described in XL_CPUS, XL_NODES and XL_DISTANCES (without-xen.c).
#   run.sh create -n -d vm.cfg     what xl makes of a guest config, in JSON
#   run.sh info -n                 what xl says of the machine
#   run.sh --paths                 LD_LIBRARY_PATH, LD_PRELOAD and the program, a line each
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$("$here/../xenstored/run.sh" prepare)
shim=$root/xl-without-xen.so
if [ ! -e "$shim" ] || [ "$here/without-xen.c" -nt "$shim" ]; then
  gcc -O2 -I"$root/usr/include" -shared -fPIC -o "$shim.$$" "$here/without-xen.c"
  mv "$shim.$$" "$shim"
fi
libraries=$root/usr/lib/x86_64-linux-gnu
program=$root/usr/lib/xen-4.17/bin/xl
if [ "${1:-}" = --paths ]; then
  printf '%s\n' "$libraries" "$shim" "$program"
  exit
fi
LD_LIBRARY_PATH=$libraries LD_PRELOAD=$shim exec "$program" "$@"
