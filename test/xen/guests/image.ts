// The Linux guest of the tests: an initramfs of busybox alone, whose init tells on the console what
// it sees. Made where the tests run.
import { readFileSync, writeFileSync } from 'node:fs';

/** Each line that the guest says about itself starts with this. */
export const SAYS = 'guest:';

const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
say() { echo "${SAYS} $*"; }
first=$(cut -d. -f1 /proc/uptime)
sleep 1
say up
say cpus $(cat /sys/devices/system/cpu/online)
say ram $(awk '/MemTotal/ { print $2 }' /proc/meminfo) KiB
for node in /sys/devices/system/node/node*; do
  say $(basename $node) $(cat $node/cpulist) $(awk '/MemTotal/ { print $4 }' $node/meminfo) $(cat $node/distance)
done
say iomem $(grep -c 'System RAM' /proc/iomem)
say clock $(( $(cut -d. -f1 /proc/uptime) - first ))
grep -q ticks /proc/cmdline && (n=0; while :; do n=$((n + 1)); say tick $n; sleep 1; done) &
while read -r line; do say heard "$line"; done
say input ended
exec sleep 1000000
`;

interface Member {
  readonly name: string;
  readonly mode: number;
  readonly data: Uint8Array;
  /** Device number of a character device. */
  readonly device?: readonly [number, number];
}

const DIRECTORY = 0o040755;
const FILE = 0o100755;
const CHARACTER_DEVICE = 0o020600;

/** Writes the initramfs. @param busybox path of a statically linked busybox */
export function writeInitramfs(path: string, busybox: string): void {
  const empty = new Uint8Array();
  const members: Member[] = [
    ...['bin', 'dev', 'proc', 'sys'].map((name) => ({ name, mode: DIRECTORY, data: empty })),
    { name: 'dev/console', mode: CHARACTER_DEVICE, data: empty, device: [5, 1] },
    // A shell's job in the background reads it.
    { name: 'dev/null', mode: CHARACTER_DEVICE, data: empty, device: [1, 3] },
    { name: 'bin/busybox', mode: FILE, data: readFileSync(busybox) },
    { name: 'init', mode: FILE, data: Buffer.from(INIT) },
    { name: 'TRAILER!!!', mode: 0, data: empty },
  ];
  writeFileSync(path, Buffer.concat(members.map(record)));
}

/**
 * A member in the "newc" format (Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst).
 */
function record({ name, mode, data, device = [0, 0] }: Member, inode: number): Buffer {
  const hex = (value: number) => value.toString(16).padStart(8, '0');
  const fields = [inode + 1, mode, 0, 0, 1, 0, data.length, 0, 0, device[0], device[1], name.length + 1, 0];
  const head = Buffer.from(`070701${fields.map(hex).join('')}${name}\0`);
  return Buffer.concat([padded(head), padded(data)]);
}

function padded(bytes: Uint8Array): Buffer {
  const whole = Buffer.alloc(Math.ceil(bytes.length / 4) * 4);
  whole.set(bytes);
  return whole;
}
