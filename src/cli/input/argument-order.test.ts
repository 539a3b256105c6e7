import { describe, expect, it } from 'vitest';
import { namesFirst } from './argument-order.js';

const files = new Set(['a.xml', 'b.yaml']);
const order = (line: string) => namesFirst(line.split(' '), (word) => files.has(word)).join(' ');

describe('names after --host and --vms', () => {
  it.each([
    ['--host a.xml --vms b.yaml web', 'web --host a.xml --vms b.yaml'],
    ['--host a.xml web --json', 'web --host a.xml --json'],
    ['--host a.xml b.yaml web db', 'web db --host a.xml b.yaml'],
    // The first word is a file, even if it does not exist; - is stdin; NAME=FILE describes one
    // host.
    ['--host gone.xml', '--host gone.xml'],
    ['--host a.xml -', '--host a.xml -'],
    ['--host xcp-1=a.xml xcp-2=gone.xml web', 'web --host xcp-1=a.xml xcp-2=gone.xml'],
    // Values of other options stay where they are.
    ['--host a.xml --policy any web', '--host a.xml --policy any web'],
  ])('%s', (line, wanted) => expect(order(line)).toBe(wanted));
});
