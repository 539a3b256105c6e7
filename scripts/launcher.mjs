// The start script of a release: says in plain words where the program cannot run, before the
// loader does in its own.

/**
 * sh. It finds its own folder through links.
 * @param glibc the oldest that Node and the native packages run with: "2.28"
 * @param machine as `uname -m` names the processor: "x86_64"
 */
export function launcher({ glibc, machine, version, node }) {
  return `#!/bin/sh
# xennuma ${version} with its own Node ${node}
no() {
  echo "xennuma: $1; install it on another machine, and reach this host with --from ssh://root@host" >&2
  exit 3
}
self=$(readlink -f -- "$0")
folder=\${self%/bin/*}
here=$(getconf GNU_LIBC_VERSION 2>/dev/null)
here=\${here#glibc 2.}
here=\${here%%.*}
case $here in
  '' | *[!0-9]*) ;;
  *) [ "$here" -ge ${glibc.split('.')[1]} ] || no "this needs glibc ${glibc}, and here is 2.$here (EL7, XCP-ng and XenServer have 2.17)" ;;
esac
# The loader alone: it lists the libraries that Node needs, and starts nothing.
found=$(LD_TRACE_LOADED_OBJECTS=1 "$folder/bin/node" 2>&1 </dev/null) || found="not found: $found"
case $found in
  *'not found'*)
    lack=$(printf '%s\\n' "$found" | sed -n '/not found/{s/^[[:space:]]*//;s/ => not found$/ is missing/;p;q;}')
    no "this needs Linux for ${machine} with glibc ${glibc} or newer and libstdc++, and its Node does not start here ($lack)" ;;
esac
exec "$folder/bin/node" "$folder/dist/xennuma.js" "$@"
`;
}
