// A release of a domain on a host with many: its nodes are removed, and its entries in the
// permissions of others; everything else stays (store.ml reset_permissions).
import { expect, test } from 'vitest';
import { createXenstore } from '../../in-process.js';

// A folder of more than 256 has an index of the domains that its children name.
test.each([100, 600])('of %i domains takes one with its keys and its entries, wherever they are, and no others', async (domains) => {
  const store = createXenstore({ personality: 'oxenstored' });
  const xs = store.connect(0);
  for (let domid = 1; domid <= domains; domid++) {
    const home = `/local/domain/${domid}`;
    await xs.write(`${home}/name`, `vm-${domid}`);
    await xs.setPermissions(home, [
      { domid: 0, access: 'n' },
      { domid, access: 'r' },
    ]);
    await xs.write(`${home}/device/vif`, '');
    await xs.setPermissions(`${home}/device`, [{ domid, access: 'n' }]);
    // In a transaction, as toolstacks do: each makes a version of the folders.
    await xs.transaction((tx) => xs.write(`/libxl/${domid}/type`, 'pvh', tx));
    await xs.introduce(domid, 1n, 1);
  }
  for (const domid of [5, 77, 6, domains]) {
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
