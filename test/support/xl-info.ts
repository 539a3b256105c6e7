// `xl info -n` as xl prints it, for tests that read it.

export interface ListedHost {
  readonly host?: string;
  /** nr_cpus; all of the table when left out. */
  readonly nrCpus?: number;
  readonly totalMib: number;
  /** Further lines of the head, after those that are always there. */
  readonly more?: Readonly<Record<string, string | number>>;
  /** Core, socket and node of each CPU. */
  readonly cpus: readonly (readonly [number, number, number])[];
  /** Lines between the two tables. */
  readonly between?: readonly string[];
  /** MiB spanned, MiB free, distances. */
  readonly nodes: readonly (readonly [number, number, string])[];
  /** Lines after the tables. */
  readonly tail?: Readonly<Record<string, string | number>>;
}

/** Without a newline at its end. */
export function xlInfo({ host, nrCpus, totalMib, more = {}, cpus, between = [], nodes, tail = {} }: ListedHost): string {
  const line = ([name, value]: readonly [string, string | number]) => `${name.padEnd(23)}: ${value}`;
  const head = { ...(host === undefined ? {} : { host }), nr_cpus: nrCpus ?? cpus.length, nr_nodes: nodes.length, total_memory: totalMib };
  const cell = (value: number, width: number) => String(value).padStart(width);
  return [
    ...Object.entries({ ...head, ...more }).map(line),
    line(['cpu_topology', '']).trimEnd(),
    'cpu:    core    socket     node',
    ...cpus.map(([core, socket, node], id) => `${cell(id, 3)}:${cell(core, 8)}${cell(socket, 9)}${cell(node, 9)}`),
    ...between,
    line(['numa_info', '']).trimEnd(),
    'node:    memsize    memfree    distances',
    ...nodes.map(([size, free, distances], id) => `${cell(id, 4)}:${cell(size, 10)}${cell(free, 11)}      ${distances}`),
    ...Object.entries(tail).map(line),
  ].join('\n');
}

/** CPUs of nodes that are sockets, each with so many cores of one thread. */
export function coresOf(sockets: number, cores: number): [number, number, number][] {
  return Array.from({ length: sockets * cores }, (_, cpu) => {
    const socket = Math.floor(cpu / cores);
    return [cpu % cores, socket, socket];
  });
}
