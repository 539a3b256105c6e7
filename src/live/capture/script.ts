// The script that runs on a remote host, in its own shell: POSIX sh, read-only, with nothing to
// install. It changes only Xen's console ring, to which debug key 'u' prints. The output of each
// command follows a mark, so that it cannot be mistaken for the output of another.

import { shellWord } from '../../base/shell-word.js';
import { HYPERCALL_SCRIPT } from './hypercall-script.js';

export interface ScriptOptions {
  /** Part of each mark, so that no text of a guest can pass for one: letters, digits and dashes. */
  readonly nonce: string;
  /**
   * Writes a compressed archive to standard output instead of text, for `...
   * ssh host sh > host.tgz`.
   */
  readonly archive: boolean;
  /** false: debug key 'u' is not sent, and memory by node stays unknown. */
  readonly memory: boolean;
}

/** The host's tools, in English, as root: each command behind `$root`. */
const AS_ROOT = `LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin:/usr/lib/xen/bin:/usr/libexec/xen/bin:/opt/xensource/bin; export PATH
root=
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null 2>&1; then root='sudo -n'; fi
`;

/** One command as root. Each word is quoted, so that no name can be taken for more than a word. */
export function commandScript(words: readonly string[]): string {
  return `${AS_ROOT}$root ${words.map(shellWord).join(' ')} </dev/null\n`;
}

/** Name of the archive's one file. */
export const CAPTURE_FILE = 'xennuma-capture.txt';

/** The last line of a whole capture. */
export const END_MARK = 'end of capture';

export function captureScript({ nonce, archive, memory }: ScriptOptions): string {
  if (!/^[\w-]+$/.test(nonce)) throw new Error(`nonce: expected letters, digits and dashes, got '${nonce}'`);
  return `# Reads the NUMA state of a Xen host. It changes only Xen's console ring${memory ? ", to which debug key 'u' prints" : ''}.
${AS_ROOT}mark() { printf '\\n@@xennuma:%s %s\\n' '${nonce}' "$1"; }
part() {
  name=$1; shift
  mark "$name"
  if command -v "$1" >/dev/null 2>&1; then $root "$@" 2>&1 </dev/null || mark "$name failed with status $?"
  else mark "$name: $1 is not there"; fi
}
dumps() { $root xl dmesg 2>/dev/null </dev/null | grep -c 'Memory location of each domain:'; }
capture() {
  part 'xl info' xl info -n
  part 'xenpm' xenpm get-cpu-topology
  part 'xl list' xl list -n
  part 'xl list -v' xl list -v
  part 'xl vcpu-list' xl vcpu-list
  part 'xl cpupool-list -c' xl cpupool-list -c
  part 'xl cpupool-list' xl cpupool-list
  part 'xenstore-ls' xenstore-ls -f /
  if command -v python3 >/dev/null 2>&1; then
    answers=$($root python3 -c '${HYPERCALL_SCRIPT}' 2>/dev/null </dev/null) && { mark 'hypercalls'; printf '%s\\n' "$answers"; }
  fi
  for file in /var/lib/xen/userdata-d.*.libxl-json; do
    [ -e "$file" ] || continue
    id=\${file#/var/lib/xen/userdata-d.}
    mark "libxl userdata \${id%%.*}"
    $root cat "$file" 2>&1
  done
${memory ? DUMP : ''}  if command -v xe >/dev/null 2>&1; then
    part 'xe host' xe host-list params=uuid,hostname,name-label,software-version,numa-affinity-policy
    part 'xe vm' xe vm-list params=uuid,name-label,resident-on,VCPUs-params,is-control-domain,dom-id
  fi
  mark '${END_MARK}'
}
${archive ? ARCHIVE : 'capture\n'}`;
}

/**
 * Waits for the new dump, not for an older one. A full ring forgets old dumps and their number may
 * not grow, so the wait ends after two seconds.
 */
const DUMP = `  if command -v xl >/dev/null 2>&1; then
    before=$(dumps); tries=0
    $root xl debug-keys u >/dev/null 2>&1 </dev/null
    while [ "$(dumps)" = "$before" ] && [ "$tries" -lt 10 ]; do sleep 0.2 2>/dev/null || sleep 1; tries=$((tries + 1)); done
    sleep 0.2 2>/dev/null || sleep 1
  fi
  part 'numa dump' xl dmesg
`;

const ARCHIVE = `folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
# Not every sh runs EXIT's commands at a signal.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM
if ! command -v xl >/dev/null 2>&1; then
  echo 'nothing was captured: there is no xl here; run this as root in dom0 of a Xen host' >&2
  exit 3
fi
if ! $root xl info >"$folder/info" 2>&1 </dev/null; then
  echo "nothing was captured: xl info failed; run this as root in dom0 of a Xen host: $(tail -n 1 "$folder/info")" >&2
  exit 3
fi
capture >"$folder/${CAPTURE_FILE}"
tar -C "$folder" -czf - ${CAPTURE_FILE}
`;
