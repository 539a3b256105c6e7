// A release of a domain on a host with many: what it owned goes, with its entries in the
// permissions of others, and everything else stays (store.ml reset_permissions).
import { expect, test } from 'vitest';
import { createXenstore } from '../../in-process.js';

test('takes the keys of the domain and its entries, wherever they are, and no others', async () => {
  const store = createXenstore({ personality: 'oxenstored' });
  const xs = store.connect(0);
  for (let domid = 1; domid <= 100; domid++) {
    const home = `/local/domain/${domid}`;
    await xs.write(`${home}/name`, `vm-${domid}`);
    await xs.setPermissions(home, [
      { domid: 0, access: 'n' },
      { domid, access: 'r' },
    ]);
    await xs.write(`${home}/device/vif`, '');
    await xs.setPermissions(`${home}/device`, [{ domid, access: 'n' }]);
    await xs.introduce(domid, 1n, 1);
  }
  for (const domid of [5, 77, 6]) {
    // A neighbour's key that this domain may read, given after the last release.
    await xs.write('/local/domain/50/shared/key', 'x');
    await xs.setPermissions('/local/domain/50/shared/key', [
      { domid: 50, access: 'n' },
      { domid, access: 'r' },
    ]);
    const expected = store
      .list()
      .filter(({ path }) => !path.startsWith(`/local/domain/${domid}/device`))
      .map(({ path, value, permissions }) => ({
        path,
        value,
        permissions: permissions.filter((entry, at) => at === 0 || entry.domid !== domid),
      }));
    await xs.release(domid);
    expect(store.list().map(({ path, value, permissions }) => ({ path, value, permissions }))).toEqual(expected);
    expect(store.nodesByOwner().has(domid)).toBe(false);
    store.engine.checkInvariants();
  }
});
