// Hosts "behind ssh": a program named ssh that runs the script in a shell of this machine, whose
// xl, xe and xenstore-ls are programs of the test's own that print files and log their words.

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { coresOf, xlInfo } from './xl-info.js';

const program = (file: string, lines: readonly string[]) => {
  writeFileSync(file, `#!/bin/sh\n${lines.join('\n')}\n`);
  chmodSync(file, 0o755);
};

/** Logs the words of a call, each in brackets. */
const LOG = `{ printf '%s' "\${0##*/}"; printf ' [%s]' "$@"; echo; } >> "$FAR/log"`;
const PRINT = 'print() { [ ! -e "$FAR/$1" ] || cat "$FAR/$1"; }';

export interface FarFiles {
  /** `xl info -n` */
  readonly info: string;
  /** `xl list -n` and -v */
  readonly list?: string;
  readonly vcpus?: string;
  readonly dump?: string;
  readonly store?: string;
  /** `xe host-list`, `xe vm-list`; without them the host has no xe. */
  readonly xeHosts?: string;
  readonly xeVms?: string;
}

export interface FarHost {
  /** Calls that change something, in their order. */
  changes(): string[];
  /** Has the command end with this status and these words on standard error. */
  refuse(command: 'vcpu-pin' | 'vm-param-set' | 'host-param-set', status: number, words: string): void;
}

export class FarHosts {
  readonly #folder: string;
  readonly #bin: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#bin = join(folder, 'bin');
    mkdirSync(this.#bin, { recursive: true });
    program(join(this.#bin, 'ssh'), [
      `echo "$*" >> ${folder}/ssh-calls`,
      'user=',
      'while [ $# -gt 0 ] && [ "$1" != -- ]; do [ "$1" != -l ] || user=$2; shift; done',
      'host=$2',
      '[ "$3" = "sh -s" ] || exit 0',
      `FAR=${folder}/$host; export FAR`,
      '[ -d "$FAR" ] || { echo "ssh: connect to host $host port 22: No route to host" >&2; exit 255; }',
      'echo "Last login: today"',
      'PATH="$FAR/bin:$PATH" exec sh -s',
    ]);
  }

  /** For the environment of the command that is tested. */
  get path(): string {
    return `${this.#bin}:${process.env.PATH}`;
  }

  /** The words of each call of ssh. */
  get sshCalls(): string[] {
    const file = join(this.#folder, 'ssh-calls');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }

  add(name: string, files: FarFiles): FarHost {
    const far = join(this.#folder, name);
    const bin = join(far, 'bin');
    mkdirSync(bin, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(far, file), text as string);
    const refusal = (word: string) =>
      `[ ! -e "$FAR/refuse-${word}" ] || { sed 1d "$FAR/refuse-${word}" >&2; exit "$(head -n 1 "$FAR/refuse-${word}")"; }`;
    program(join(bin, 'xl'), [
      LOG,
      PRINT,
      'case "$1 $2" in',
      '"info -n") print info;;',
      '"list -n") print list;;',
      '"list -v") print list;;',
      '"vcpu-list ") print vcpus;;',
      // Each key adds a dump to the ring, as Xen does: a reader that waits for a new one sees it.
      '"debug-keys u") print dump >> "$FAR/ring";;',
      '"dmesg "*) print ring;;',
      '"vcpu-pin "*)',
      `  ${refusal('vcpu-pin')}`,
      // The column of soft affinity of that domain, as xl would print it from now on.
      '  sed -i "s#^\\([^ ]* *$2 .*\\) / .*#\\1 / $5#" "$FAR/vcpus";;',
      '*) exit 1;;',
      'esac',
    ]);
    program(join(bin, 'xenstore-ls'), [LOG, PRINT, 'print store']);
    if (files.xeHosts !== undefined) {
      program(join(bin, 'xe'), [
        LOG,
        PRINT,
        'case "$1" in',
        'host-list) print xeHosts;;',
        'vm-list) print xeVms;;',
        `vm-param-set) ${refusal('vm-param-set')};;`,
        `host-param-set) ${refusal('host-param-set')};;`,
        '*) exit 1;;',
        'esac',
      ]);
    }
    return {
      changes: () => {
        const log = existsSync(join(far, 'log')) ? readFileSync(join(far, 'log'), 'utf8').trim().split('\n') : [];
        return log.filter((line) => /\[(?:vcpu-pin|[a-z-]*-(?:set|add|remove|destroy))\]/.test(line));
      },
      refuse: (command, status, words) => writeFileSync(join(far, `refuse-${command}`), `${status}\n${words}\n`),
    };
  }
}

export const FAR_UUIDS = { host: '11111111-2222-4333-8444-555555555555', web: '0b1c2d3e-0000-4000-8000-000000000007' };

/**
 * Two nodes of two CPUs and 4 GiB. Domain 5 has its memory on node 1 and may run anywhere, domain 6
 * has hard affinity.
 */
export function farFiles(host: string, name = 'web'): FarFiles & { readonly info: string } {
  return {
    info: `${xlInfo({
      host,
      totalMib: 8192,
      cpus: coresOf(2, 2),
      nodes: [
        [4096, 2048, '10,21'],
        [4096, 1024, '21,10'],
      ],
      tail: { xen_version: '4.17' },
    })}\n`,
    list: `Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0  1024     2     r-----     812.4
${name.padEnd(43)} 5  1024     1     -b----       9.9
pinned                                       6   512     1     -b----       9.9
`,
    vcpus: `Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)
Domain-0                             0     0    0   r--     400.0  all / all
Domain-0                             0     1    1   -b-     412.4  all / all
${name.padEnd(35)} 5     0    0   -b-       9.9  all / all
pinned                               6     0    2   -b-       9.9  2-3 / all
`,
    dump: `(XEN) Memory location of each domain:
(XEN) Domain 0 (total: 262144):
(XEN)     Node 0: 262144
(XEN)     Node 1: 0
(XEN) Domain 5 (total: 262144):
(XEN)     Node 0: 0
(XEN)     Node 1: 262144
(XEN) Domain 6 (total: 131072):
(XEN)     Node 0: 0
(XEN)     Node 1: 131072
`,
    store: `/local/domain/5/name = "${name}"
/local/domain/5/vm = "/vm/${FAR_UUIDS.web}"
`,
  };
}

/** What xe prints on a host of XCP-ng. */
export function farXapi(host: string, { mask, policy = 'default_policy' }: { mask?: string; policy?: string | null } = {}) {
  return {
    xeHosts: `uuid ( RO)                    : ${FAR_UUIDS.host}
              name-label ( RW): Host of the test
                hostname ( RO): ${host}
        software-version (MRO): product_version: 8.3.0; product_brand: XCP-ng; xapi_build: 25.6.0
${policy === null ? '' : `    numa-affinity-policy ( RW): ${policy}\n`}
`,
    xeVms: `uuid ( RO)                 : ${FAR_UUIDS.web}
           name-label ( RW): web
         resident-on ( RO): ${FAR_UUIDS.host}
        VCPUs-params (MRW): ${mask === undefined ? '' : `mask: ${mask}`}

`,
  };
}
