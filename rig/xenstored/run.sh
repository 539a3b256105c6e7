#!/usr/bin/env bash
# Debian's real XenStore daemons, and its clients, on a machine without Xen. Nothing is installed: packages are unpacked below
# $XENNUMA_RIG_CACHE (default ~/.cache/xennuma-rig).
#   run.sh prepare                          downloads and unpacks what is needed; prints the folder
#   run.sh xenstored|oxenstored FOLDER [OPTION...]
#                                           runs the daemon in the foreground; its socket is FOLDER/socket, and FOLDER/guest-N
#                                           that of the ring of domain N, once introduced; options as the C daemon takes
#                                           them, for oxenstored lines of its configuration ("quota-maxwatch = 8")
#   run.sh client COMMAND [ARGUMENT...]     runs xenstore-ls, test-xenstore, ... against $XENSTORED_PATH
# Needs Debian 12 (apt-get, dpkg-deb), gcc, and for oxenstored root and unshare: it knows no other place than /run/xenstored.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XENNUMA_RIG_CACHE:-$HOME/.cache/xennuma-rig}
root=$cache/xenstore-root
tools=$root/usr/lib/xen-4.17/bin
libraries=$root/usr/lib/x86_64-linux-gnu
packages="xen-utils-4.17 xenstore-utils libxen-dev libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1
  libxenhypfs1 libxenmisc4.17 libxenstore4 libxentoolcore1 libxentoollog1 libyajl2"

prepare() {
  if [ ! -e "$root/.ready" ]; then
    mkdir -p "$cache/xenstore-debs" "$root"
    # shellcheck disable=SC2086
    (cd "$cache/xenstore-debs" && { apt-get download -qq $packages || { apt-get update -qq && apt-get download -qq $packages; }; }) >&2
    for package in "$cache"/xenstore-debs/*.deb; do dpkg-deb -x "$package" "$root"; done
    touch "$root/.ready"
  fi
  if [ ! -e "$root/without-xen.so" ] || [ "$here/without-xen.c" -nt "$root/without-xen.so" ]; then
    gcc -O2 -I"$root/usr/include" -shared -fPIC -o "$root/without-xen.so.$$" "$here/without-xen.c" -ldl -lpthread
    mv "$root/without-xen.so.$$" "$root/without-xen.so"
  fi
}

config() {
  cat <<CONFIG
pid-file = $1/pidfile
xenstored-kva = $1/xsd_kva
xenstored-port = $1/xsd_port
xenstored-log-file = $1/oxenstored.log
access-log-file = $1/access.log
persistent = false
test-eagain = false
merge-activate = true
perms-activate = true
perms-watch-activate = true
quota-activate = true
quota-maxentity = 1000
quota-maxsize = 2048
quota-maxwatch = 100
quota-transaction = 10
quota-maxrequests = 1024
quota-path-max = 1024
CONFIG
}

case ${1:-} in
prepare)
  prepare
  echo "$root"
  ;;
xenstored | oxenstored)
  prepare
  mkdir -p "$2/domains"
  folder=$(cd "$2" && pwd)
  daemon=$1
  shift 2
  export XENSTORED_RUNDIR=$folder LD_LIBRARY_PATH=$libraries
  printf 1 >"$folder/xsd_port"
  truncate -s 4096 "$folder/xsd_kva"
  if [ "$daemon" = xenstored ]; then
    LD_PRELOAD=$root/without-xen.so exec "$tools/xenstored" -N -F "$folder/pidfile" "$@"
  fi
  {
    config "$folder"
    [ $# = 0 ] || printf '%s\n' "$@"
  } >"$folder/oxenstored.conf"
  # A /run of its own, in which /run/xenstored is the folder.
  exec unshare -m --propagation private bash -c '
    mount -t tmpfs none /run && mkdir -p /run/xenstored /run/xen && mount --bind "$XENSTORED_RUNDIR" /run/xenstored
    LD_PRELOAD=$0 exec "$@"' "$root/without-xen.so" "$tools/oxenstored" --no-fork --config-file "$folder/oxenstored.conf"
  ;;
client)
  prepare
  shift
  LD_LIBRARY_PATH=$libraries PATH=$root/usr/bin:$tools:$PATH exec "$@"
  ;;
*)
  sed -n 2,11p "$0" >&2
  exit 2
  ;;
esac
